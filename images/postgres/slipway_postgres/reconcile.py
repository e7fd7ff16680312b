"""Bringing a live cluster in line with its declared settings.

Patroni reads bootstrap.dcs once, when a cluster is born. Whoever edits it
later changes a file and nothing else. This command compares what the live
cluster runs with with what is declared, sends the difference, and restarts
the members that need it one at a time, the leader last and handed over first.
"""

import time
from collections.abc import Callable
from typing import Any

from . import render
from .rest import Rest, RestError
from .settings import BadSetting, mounted, password

# What an operator switches on a live cluster and no declaration owns.
KEPT = frozenset({"pause", "standby_cluster", "slots", "ignore_slots"})
# A member that is restarting must stream again before the next one may.
PATIENCE = 300.0
HEALTHY = frozenset({"running", "streaming"})


class ReconcileError(Exception):
    """The live cluster could not be brought in line; the text says why."""


def difference(live: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """The patch that turns live into declared. A key that is not declared is
    removed (null), except those that belong to operators."""
    patch: dict[str, Any] = {}
    for key in sorted(live.keys() | declared.keys()):
        if key not in declared:
            if key not in KEPT:
                patch[key] = None
            continue
        want, have = declared[key], live.get(key)
        if isinstance(want, dict) and isinstance(have, dict):
            if inner := inside(have, want):
                patch[key] = inner
        elif not same(have, want):
            patch[key] = want
    return patch


def inside(live: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """The patch of a nested mapping, which is owned whole."""
    patch: dict[str, Any] = {key: None for key in live.keys() - declared.keys()}
    for key, want in declared.items():
        have = live.get(key)
        if isinstance(want, dict) and isinstance(have, dict):
            if inner := inside(have, want):
                patch[key] = inner
        elif not same(have, want):
            patch[key] = want
    return patch


def same(have: Any, want: Any) -> bool:
    """Whether two values mean the same. PostgreSQL's parameters are text in
    the end, so 100 and "100" do; true and "true" likewise."""
    if isinstance(have, dict) or isinstance(want, dict) or have is None or want is None:
        return bool(have == want)
    return str(have).lower() == str(want).lower()


def lines(patch: dict[str, Any], live: dict[str, Any], path: str = "") -> list[str]:
    """The patch as text, one "path: old -> new" a line."""
    found = []
    for key, value in sorted(patch.items()):
        at = f"{path}.{key}" if path else key
        have = live.get(key)
        if isinstance(value, dict):
            found += lines(value, have if isinstance(have, dict) else {}, at)
        elif value is None:
            found.append(f"{at}: {have} -> (default)")
        else:
            found.append(f"{at}: {'(default)' if have is None else have} -> {value}")
    return found


class Reconciler:
    """Talks to one cluster through any of its members."""

    def __init__(
        self, url: str, user: str, secret: str, members: int, say: Callable[[str], object] = print
    ):
        self.user, self.secret, self.members = user, secret, members
        self.entry = Rest(url, user, secret)
        self.say = say

    def member(self, member: dict[str, Any]) -> Rest:
        return Rest(member["api_url"].removesuffix("/patroni"), self.user, self.secret)

    def cluster(self) -> list[dict[str, Any]]:
        members: list[dict[str, Any]] = self.entry.read("/cluster")["members"]
        return members

    def wait_whole(self) -> list[dict[str, Any]]:
        """Wait until every member runs and one leads."""
        deadline = time.monotonic() + PATIENCE
        said = ""
        while True:
            try:
                members = self.cluster()
                lacking = incomplete(members, self.members)
            except RestError as error:
                lacking = str(error)
            if not lacking:
                return members
            if time.monotonic() > deadline:
                raise ReconcileError(
                    f"the cluster is not whole after {PATIENCE:.0f} s: {lacking};"
                    " nothing was restarted meanwhile. Look at the member's log, then run"
                    " the update again"
                )
            if lacking != said:
                self.say(f"waiting: {lacking}")
                said = lacking
            time.sleep(1)

    def run(self, declared: dict[str, Any]) -> bool:
        """Return whether anything was changed or restarted."""
        self.wait_whole()
        live = self.entry.read("/config")
        patch = difference(live, declared)
        for line in lines(patch, live):
            self.say(line)
        if patch:
            self.entry.change("PATCH", "/config", patch)
            # Each member compares its parameters once a loop.
            time.sleep(max(int(live.get("loop_wait", 10)), int(declared.get("loop_wait", 10))) + 2)
        restarted = self.restart_pending(paused=bool(live.get("pause")))
        return bool(patch) or restarted

    def restart_pending(self, paused: bool) -> bool:
        """Restart the members whose running server differs from its settings."""
        restarted = False
        # Some parameters may only shrink on the leader first and only grow on
        # the standbys first; Patroni holds them back, so a second round may be
        # needed. A third would mean that restarting does not help.
        for _ in range(3):
            members = self.wait_whole()
            pending = [member for member in members if member.get("pending_restart")]
            if not pending:
                return restarted
            if paused:
                raise ReconcileError(
                    "the settings are in place, but a restart is pending and the cluster is"
                    " paused; run patronictl resume, then the update again"
                )
            for member in sorted(pending, key=lambda m: (m["role"] == "leader", m["name"])):
                self.restart(member, members)
                restarted = True
                self.wait_whole()
        names = ", ".join(m["name"] for m in self.cluster() if m.get("pending_restart"))
        if names:
            raise ReconcileError(f"a restart is still pending after three rounds on: {names}")
        return restarted

    def restart(self, member: dict[str, Any], members: list[dict[str, Any]]) -> None:
        name = member["name"]
        if member["role"] == "leader" and len(members) > 1:
            self.say(f"handing the lead of {name} over before its restart")
            try:
                self.member(member).change("POST", "/switchover", {"leader": name}, timeout=60)
            except RestError as error:
                # A restart in place also works; writes wait a little longer.
                self.say(f"no switchover: {error}")
            # A leader that becomes a standby starts anew, settings included.
            if not any(m["name"] == name and m.get("pending_restart") for m in self.wait_whole()):
                return
        self.say(f"restarting {name}")
        self.member(member).change(
            "POST", "/restart", {"restart_pending": True, "timeout": "120s"}, timeout=150
        )


def incomplete(members: list[dict[str, Any]], expected: int) -> str:
    """What a cluster lacks to be touched, or an empty string."""
    if len(members) < expected:
        return f"{len(members)} of {expected} members are known"
    if not any(member["role"] == "leader" for member in members):
        return "no member leads"
    faulty = [f"{m['name']} is {m['state']}" for m in members if m["state"] not in HEALTHY]
    return ", ".join(sorted(faulty))


def command(url: str, env: dict[str, str]) -> None:
    """Run against the cluster whose members answer at url."""
    root = mounted(env)
    try:
        members = int(env["SLIPWAY_POSTGRES_MEMBERS"])
    except (KeyError, ValueError) as error:
        raise BadSetting("SLIPWAY_POSTGRES_MEMBERS must be the number of members") from error
    local = render.read_yaml(root / "config" / "patroni.yaml")
    user = local["restapi"]["authentication"]["username"]
    secret = password(root / "credentials", "restapi")

    def say(message: str) -> None:
        print(f"slipway-postgres: reconcile: {message}", flush=True)

    changed = Reconciler(url, user, secret, members, say).run(
        render.read_yaml(root / "config" / "dynamic.yaml")
    )
    say("done" if changed else "the live cluster already has these settings")
