"""An identifier of a person, and whether a text holds it, whichever way it is spelled.

The log collector searches its archive by the same rules (images/collector/archive/subject.go), and
images/collector/archive/testdata/spellings.json holds both to them.
"""

from __future__ import annotations

import re
import unicodedata

SHORTEST = 4
LONGEST = 256
# What a client encoded may have been encoded again by each program that passed it on.
ROUNDS = 6

_PERCENTS = re.compile(r"(?:(?:%|\\x)[0-9A-Fa-f]{2})+")
_ESCAPES = re.compile(r'(?:\\u[0-9A-Fa-f]{4})+|\\U[0-9A-Fa-f]{8}|\\["\\/bfnrt]')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class SubjectError(Exception):
    """What was given is no subject. The message does not repeat it."""


class Subject:
    """Space around the text is not part of it. Raises SubjectError."""

    def __init__(self, text: str) -> None:
        text = text.strip()
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
            raise SubjectError("the subject must be one line of UTF-8")
        if len(text) < SHORTEST:
            raise SubjectError(
                f"the subject has fewer than {SHORTEST} characters: it would erase what is about"
                " others; give one that names nobody else"
            )
        if len(text) > LONGEST:
            raise SubjectError(
                f"the subject has more than {LONGEST} characters; give what identifies it and no"
                " more"
            )
        if not any(map(_word, text)):
            raise SubjectError("the subject must have at least one letter or digit")
        self._needle = _folded(text)

    def __repr__(self) -> str:
        return "Subject(...)"  # it may not get into a log

    def within(self, text: str) -> bool:
        """Tell whether text holds the subject as a whole word, as it is or encoded as JSON and
        URLs are, in any case."""
        # Every order of decoding: a backslash may begin an escape, or escape the one before it.
        if "%" not in text and "\\" not in text:
            return self._reads(text)
        readings, seen = [text], {text}
        for _ in range(ROUNDS + 1):
            following: list[str] = []
            for reading in readings:
                if self._reads(reading):
                    return True
                decoded = {_PERCENTS.sub(_bytes, reading), _ESCAPES.sub(_characters, reading)}
                following += decoded - seen
                seen |= decoded
            readings = following
        return False

    def _reads(self, text: str) -> bool:
        text = _folded(text)
        # The second is a form's way to write a space.
        return self._occurs(text) or (
            " " in self._needle and "+" in text and self._occurs(text.replace("+", " "))
        )

    def _occurs(self, text: str) -> bool:
        """Look for the subject where it is no part of a longer word: user-17 is not in user-170."""
        first, last = _word(self._needle[0]), _word(self._needle[-1])
        at = text.find(self._needle)
        while at >= 0:
            end = at + len(self._needle)
            joined = first and at > 0 and _word(text[at - 1])
            if not joined and not (last and end < len(text) and _word(text[end])):
                return True
            at = text.find(self._needle, at + 1)
        return False


def _word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


def _folded(text: str) -> str:
    """Return a text without the difference between cases, and between an accent and the letter
    that has it."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text.casefold())


def _bytes(run: re.Match[str]) -> str:
    return bytes.fromhex(re.sub(r"%|\\x", "", run[0])).decode("utf-8", "replace")


def _characters(run: re.Match[str]) -> str:
    kind = run[0][1]
    if kind == "u":
        units = bytes.fromhex(run[0].replace("\\u", ""))
        return units.decode("utf-16-be", "replace")
    if kind == "U":
        value = int(run[0][2:], 16)
        return chr(value) if value <= 0x10FFFF else run[0]
    return _SHORT.get(kind, kind)
