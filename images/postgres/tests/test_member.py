"""Handover, labels, passwords, the volume's lock and the first process."""

import base64
import hashlib
import hmac
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slipway_postgres import handover, labels, launch, roles, settings, supervise
from slipway_postgres.rest import Rest, RestError

ROOT = Path(__file__).parent.parent


def test_a_replica_hands_nothing_over(answers):
    answers.table[("GET", "/primary")] = (503, "{}")
    assert "not the leader" in handover.hand_over(Rest(answers.url), "postgres-1")
    assert [ask[0] for ask in answers.asked] == ["GET"]


def test_the_leader_switches_over_with_its_password(answers):
    answers.table[("GET", "/primary")] = [(200, "{}"), (200, "{}"), (503, "{}")]
    answers.table[("POST", "/switchover")] = (200, "Successfully switched over")
    said = handover.hand_over(Rest(answers.url, "patroni", "pw"), "postgres-1")
    assert said.startswith("handed over")
    asked = next(ask for ask in answers.asked if ask[0] == "POST")
    assert asked[2] == {"leader": "postgres-1"}
    assert asked[3]["Authorization"] == "Basic " + base64.b64encode(b"patroni:pw").decode()


def test_a_refused_switchover_lets_the_pod_end(answers):
    answers.table[("GET", "/primary")] = (200, "{}")
    answers.table[("POST", "/switchover")] = (412, "no good candidates")
    assert "no switchover (412" in handover.hand_over(Rest(answers.url), "postgres-1")
    assert "no switchover" in handover.hand_over(Rest("http://127.0.0.1:1"), "postgres-1")


def test_a_change_that_is_refused_is_an_error(answers):
    answers.table[("PATCH", "/config")] = (401, "no auth header received")
    with pytest.raises(RestError, match="answered 401: no auth"):
        Rest(answers.url).change("PATCH", "/config", {})


@pytest.fixture
def account(tmp_path):
    (tmp_path / "token").write_text("t")
    return tmp_path


def test_only_other_pods_lose_the_label(here, answers, account):
    base = "/api/v1/namespaces/data"
    answers.table[("GET", f"{base}/configmaps/postgres-leader")] = (
        200,
        {"metadata": {"annotations": {"leader": "postgres-1"}}},
    )
    chosen = "app.kubernetes.io/name=postgres,role=primary,slipway.dev/scope=postgres"
    path = f"{base}/pods?labelSelector=" + labels.urllib.parse.quote(chosen)
    pods = [{"metadata": {"name": f"postgres-{i}", "resourceVersion": f"{i}7"}} for i in range(3)]
    answers.table[("GET", path)] = (200, {"items": pods})
    answers.table[("PATCH", f"{base}/pods/postgres-0")] = (200, {})
    answers.table[("PATCH", f"{base}/pods/postgres-2")] = (409, "changed meanwhile")
    assert labels.strip_stale(here, labels.Api(answers.url, account)) == ["postgres-0"]
    changes = {ask[1]: ask[2] for ask in answers.asked if ask[0] == "PATCH"}
    assert set(changes) == {f"{base}/pods/postgres-0", f"{base}/pods/postgres-2"}
    change = changes[f"{base}/pods/postgres-0"]["metadata"]
    assert change == {"labels": {"role": None}, "resourceVersion": "07"}


def test_without_the_lock_no_label_is_touched(here, answers, account):
    answers.table[("GET", "/api/v1/namespaces/data/configmaps/postgres-leader")] = (
        200,
        {"metadata": {"annotations": {"leader": "postgres-2"}}},
    )
    assert labels.strip_stale(here, labels.Api(answers.url, account)) == []
    assert len(answers.asked) == 1


def test_a_verifier_knows_its_password():
    salted = hashlib.pbkdf2_hmac("sha256", b"right", b"salt", 4096)
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    stored, salt = base64.b64encode(key).decode(), base64.b64encode(b"salt").decode()
    verifier = f"SCRAM-SHA-256$4096:{salt}${stored}:unused"
    assert roles.matches(verifier, "right")
    assert not roles.matches(verifier, "wrong")
    for broken in (None, "", "md5abc", "SCRAM-SHA-256$x", "SCRAM-SHA-256$a:b$c:d"):
        assert not roles.matches(broken, "right")


def test_a_volume_has_one_user(tmp_path):
    held = supervise.lock_volume(tmp_path)
    with pytest.raises(settings.BadSetting, match="another container has used the volume"):
        supervise.lock_volume(tmp_path, patience=0.1)
    os.close(held)
    os.close(supervise.lock_volume(tmp_path, patience=0.1))


def test_any_standby_means_one():
    class Handler:
        def set_synchronous_standby_names(self, sync, num=None):
            self.seen = num

    launch.correct(Handler)
    handler = Handler()
    for sync, num, want in ((["*"], None, 1), (["*"], 2, 2), (["a"], None, None), ([], None, None)):
        handler.set_synchronous_standby_names(sync, num)
        assert handler.seen == want


def test_patroni_still_needs_the_correction():
    """Fails once Patroni writes a number itself: launch.py can go then."""
    sync = importlib.import_module("patroni.postgresql.sync")
    config, written = sync.global_config, []

    class Server:
        supports_multiple_sync = supports_quorum_commit = True
        state, config = "stopped", None

    Server.config = type(
        "C", (), {"set_synchronous_standby_names": lambda _, v: written.append(v)}
    )()
    handler = sync.SyncHandler.__new__(sync.SyncHandler)
    handler._postgresql = Server()
    before = type(config).is_quorum_commit_mode
    type(config).is_quorum_commit_mode = property(lambda _: True)
    try:
        sync.SyncHandler.set_synchronous_standby_names(handler, ["*"])
    finally:
        type(config).is_quorum_commit_mode = before
    assert written == ["ANY None (*)"]


PROGRAM = """
import signal
import sys
from pathlib import Path
from slipway_postgres import settings, supervise
# A shell cannot trap what was ignored before it began, as under nohup.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
supervise.CHECK_EVERY = 0.2
sys.exit(supervise.Supervisor(settings.load(), ["sh", "-c", sys.argv[1]]).run())
"""


@pytest.fixture
def first_process(here):
    def start(script):
        env = os.environ | {
            "POD_NAME": "postgres-1",
            "POD_IP": "10.0.0.1",
            "POD_NAMESPACE": "data",
            "SLIPWAY_POSTGRES_ETC": str(here.config.parent),
            "SLIPWAY_POSTGRES_RUN": str(here.run),
            "SLIPWAY_POSTGRES_DATA": str(here.data),
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen([sys.executable, "-c", PROGRAM, script], env=env)

    return start


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in 60 s"
        time.sleep(0.05)


def test_the_exit_status_is_patronis(first_process):
    assert first_process("exit 7").wait(timeout=60) == 7
    assert first_process("kill -9 $$").wait(timeout=60) == 128 + 9


def test_a_stop_reaches_patroni(first_process, here):
    ready = here.run / "ready"
    process = first_process(f"trap 'exit 3' TERM; touch {ready}; while :; do sleep 0.05; done")
    wait_for(ready.exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 3


def test_a_stop_that_comes_while_patroni_starts_reaches_it(here, monkeypatch):
    class Child:
        pid, returncode = 4711, None

    supervisor, told = supervise.Supervisor(here, ["patroni"]), []

    def start(_command):
        supervisor.forward(signal.SIGTERM, None)
        return Child()

    monkeypatch.setattr(supervise.subprocess, "Popen", start)
    monkeypatch.setattr(supervise.os, "kill", lambda pid, number: told.append((pid, number)))
    supervisor.launch()
    assert told == [(4711, signal.SIGTERM)]


def test_a_signal_to_a_patroni_that_has_just_ended_does_not_lose_its_status(here):
    supervisor = supervise.Supervisor(here, ["sh", "-c", "exit 5"])
    supervisor.launch()
    state = Path(f"/proc/{supervisor.child.pid}/stat")
    wait_for(lambda: ") Z " in state.read_text())
    supervisor.tell(signal.SIGHUP)
    supervisor.bury()
    assert supervisor.status == 5


def test_changed_files_reload_and_faulty_ones_do_not(first_process, here):
    ready, count = here.run / "ready", here.run / "count"
    process = first_process(
        f"trap 'echo >> {count}' HUP; trap 'exit 0' TERM; touch {ready};"
        " while :; do sleep 0.05; done"
    )
    try:
        wait_for(ready.exists)
        (here.config / "dynamic.yaml").write_text("a: [")
        time.sleep(1)
        assert not count.exists()
        (here.config / "dynamic.yaml").write_text("ttl: 30\n")
        wait_for(count.exists)
        assert "ttl: 30" in here.patroni_file.read_text()
    finally:
        process.terminate()
        process.wait(timeout=60)
