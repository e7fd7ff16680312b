"""The difference between a live cluster and its settings, and applying it."""

import pytest

from slipway_postgres import reconcile


@pytest.mark.parametrize(
    ("live", "declared", "want"),
    [
        ({"ttl": 30}, {"ttl": 20}, {"ttl": 20}),
        ({"ttl": "20"}, {"ttl": 20}, {}),
        ({"failsafe_mode": True}, {"failsafe_mode": "true"}, {}),
        ({"ttl": 20, "stray": 1}, {"ttl": 20}, {"stray": None}),
        ({"pause": True, "slots": {"a": 1}}, {}, {}),
        (
            {"postgresql": {"parameters": {"a": 1, "b": 2}}},
            {"postgresql": {"parameters": {"a": "1", "c": 3}}},
            {"postgresql": {"parameters": {"b": None, "c": 3}}},
        ),
        ({}, {"postgresql": {"use_slots": True}}, {"postgresql": {"use_slots": True}}),
        ({"ttl": None}, {"ttl": 20}, {"ttl": 20}),
    ],
)
def test_difference(live, declared, want):
    assert reconcile.difference(live, declared) == want


def test_lines_show_old_and_new():
    live = {"ttl": 30, "postgresql": {"parameters": {"b": 2}}}
    patch = {"ttl": 20, "postgresql": {"parameters": {"b": None, "c": 3}}}
    assert reconcile.lines(patch, live) == [
        "postgresql.parameters.b: 2 -> (default)",
        "postgresql.parameters.c: (default) -> 3",
        "ttl: 30 -> 20",
    ]


def member(name, role="replica", state="streaming", pending=False):
    found = {"name": name, "role": role, "state": state, "api_url": f"http://{name}/patroni"}
    return found | ({"pending_restart": True} if pending else {})


@pytest.mark.parametrize(
    ("members", "want"),
    [
        ([member("a", "leader", "running"), member("b")], ""),
        ([member("a", "leader", "running")], "1 of 2 members are known"),
        ([member("a"), member("b")], "no member leads"),
        ([member("a", "leader", "running"), member("b", state="stopped")], "b is stopped"),
    ],
)
def test_incomplete(members, want):
    assert reconcile.incomplete(members, 2) == want


class Live(reconcile.Reconciler):
    """A cluster in memory that behaves as Patroni's REST interface does."""

    def __init__(self, config, pending=()):
        super().__init__("http://nowhere", "u", "p", 3, say=lambda line: self.said.append(line))
        self.said, self.done, self.config = [], [], config
        self.leader, self.pending = "a", set(pending)
        self.entry = self

    def cluster(self):
        return [
            member(n, "leader" if n == self.leader else "replica", "running", n in self.pending)
            for n in "abc"
        ]

    def read(self, path):
        return self.config if path == "/config" else {"members": self.cluster()}

    def member(self, one):
        outer = self

        class One:
            def change(self, method, path, body, timeout=None):
                outer.done.append((path, one["name"]))
                outer.pending.discard(one["name"])
                if path == "/switchover":
                    outer.leader = "b"

        return One()

    def change(self, method, path, body, timeout=None):
        self.done.append((method, body))
        self.pending |= set("abc")


def test_the_leader_is_last_handed_over_and_not_restarted_twice(monkeypatch):
    monkeypatch.setattr(reconcile.time, "sleep", lambda _: None)
    live = Live({"ttl": 30})
    assert live.run({"ttl": 20}) is True
    assert live.done == [
        ("PATCH", {"ttl": 20}),
        ("/restart", "b"),
        ("/restart", "c"),
        ("/switchover", "a"),
    ]


def test_nothing_to_do_touches_nothing():
    live = Live({"ttl": 20})
    assert live.run({"ttl": 20}) is False
    assert live.done == []


def test_a_paused_cluster_is_not_restarted():
    live = Live({"ttl": 20, "pause": True}, pending="b")
    with pytest.raises(reconcile.ReconcileError, match="paused"):
        live.run({"ttl": 20})
    assert live.done == []
