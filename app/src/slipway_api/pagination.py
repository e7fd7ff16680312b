"""Opaque cursors: where the next page of a list starts.

A cursor is the identifier of the last item seen, with a version and a checksum. It is checked, not
signed: whoever forges one gets a page they could have reached by walking, so there is nothing a
signature would protect, and a signing key shared by all instances would be one more secret. The
checksum is there to tell a truncated or hand-edited cursor from a real one instead of silently
answering from some other place of the list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from uuid import UUID

_VERSION = b"\x01"
_CHECK_BYTES = 4
_LENGTH = 1 + 16 + _CHECK_BYTES
TEXT_LENGTH = _LENGTH * 4 // 3
"""Characters of every cursor. 21 bytes need no padding."""
PATTERN = f"^[A-Za-z0-9_-]{{{TEXT_LENGTH}}}$"


class CursorError(ValueError):
    """The text is not a cursor this service has given out."""


def encode(last: UUID) -> str:
    """Return the cursor of the page that follows ``last``."""
    payload = _VERSION + last.bytes
    return base64.urlsafe_b64encode(payload + _check(payload)).decode("ascii")


def decode(cursor: str) -> UUID:
    """Return the identifier after which the page starts. Raises CursorError."""
    if len(cursor) != TEXT_LENGTH:
        raise CursorError(f"a cursor has {TEXT_LENGTH} characters")
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise CursorError("a cursor is base64url text") from None
    payload, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if payload[:1] != _VERSION or check != _check(payload):
        raise CursorError("the cursor is damaged or of another version")
    return UUID(bytes=payload[1:])


def _check(payload: bytes) -> bytes:
    return hashlib.blake2s(payload, digest_size=_CHECK_BYTES, person=b"slip-cur").digest()
