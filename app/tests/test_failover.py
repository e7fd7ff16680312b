"""The database fails over, goes away, lies: what the service makes of it.

Real servers, a real promotion; between service and database a wire that stands for the Kubernetes
Service, which keeps established connections where they lead.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from cluster import DATABASE, USER, Pooler, Server, free_port
from service import Service, migrate
from wire import Wire, wire

QUICK = {
    "retry_seconds": 1,
    "query_seconds": 1,
    "connect_seconds": 1,
    "ready_grace_seconds": 0.5,
    "pool_min": 2,
    "pool_max": 4,
}
# A statement that is prepared already needs one exchange, so that it is carried out although its
# answer gets lost.
ONE_EXCHANGE = {"pool_min": 1, "pool_max": 1, "statement_cache": 100}


@pytest.fixture
def primary() -> Iterator[Server]:
    server = Server.create()
    try:
        done = migrate(server.port)
        assert done.returncode == 0, done.stdout + done.stderr
        yield server
    finally:
        server.remove()


@pytest.fixture
def standby(primary: Server) -> Iterator[Server]:
    server = primary.standby()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def road(primary: Server) -> Iterator[Wire]:
    with wire(primary.port) as made:
        yield made


def sql(server: Server, statement: str, *args: object) -> list[Any]:
    async def run() -> list[Any]:
        connection = await server.connect()
        try:
            return await connection.fetch(statement, *args)
        finally:
            await connection.close()

    return asyncio.run(run())


def create(service: Service, name: str, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"name": name, "quantity": 1}
    return httpx.post(f"{service.url}/v1/items", json=body, headers=headers, timeout=30)


def until(what: Any, seconds: float = 60.0) -> float:
    """Wait until the function returns something true; return after how many seconds."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun


def counter(service: Service, name: str) -> float:
    _, text = service.get("/metrics")
    lines = [line for line in text.decode().splitlines() if line.startswith(name)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


class Writer(threading.Thread):
    """Writes numbered rows one after another and keeps what was acknowledged, and when."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.service = service
        self.acknowledged: list[tuple[float, str]] = []
        self.refused: list[tuple[float, int]] = []
        self._halt = threading.Event()

    def run(self) -> None:
        number = 0
        with httpx.Client(base_url=self.service.url, timeout=30) as client:
            while not self._halt.is_set():
                number += 1
                name = f"row {number}"
                headers = {"Idempotency-Key": str(uuid.uuid4())}
                while not self._halt.is_set():
                    begun = time.monotonic()
                    answer = client.post(
                        "/v1/items", json={"name": name, "quantity": number}, headers=headers
                    )
                    if answer.status_code == 201:
                        self.acknowledged.append((time.monotonic(), name))
                        break
                    self.refused.append((begun, answer.status_code))
                    time.sleep(0.05)

    def finish(self) -> None:
        self._halt.set()
        self.join(30)


def demote(old: Server, new: Server) -> None:
    """Make ``new`` the primary and ``old`` its standby, as Patroni does in a switchover."""
    old.stop("fast")
    new.promote()
    old.follow(new)
    old.start()


def test_a_promotion_loses_no_acknowledged_row_and_the_old_primary_is_left(
    primary: Server, standby: Server, road: Wire
) -> None:
    with Service(road.port, **QUICK) as service:
        service.wait_ready()
        writer = Writer(service)
        writer.start()
        until(lambda: len(writer.acknowledged) > 20)
        known = create(service, "known").headers["location"]

        demote(primary, standby)
        # The wire still leads to the old primary, which answers, and answers with stale rows.
        misled = time.monotonic()
        assert sql(primary, "SELECT pg_is_in_recovery()")[0][0]
        stale = [httpx.get(service.url + known, timeout=30).status_code for _ in range(3)]
        assert set(stale) == {503}, "a consistent read came from a demoted primary"
        assert service.get("/healthz/ready")[0] == 503
        assert service.get("/healthz/live")[0] == 200
        switched = time.monotonic()
        assert not [when for when, _ in writer.acknowledged if misled < when < switched]

        road.target = standby.port
        until(lambda: writer.acknowledged[-1][0] > switched)
        resumed = writer.acknowledged[-1][0] - switched
        until(lambda: service.get("/healthz/ready")[0] == 200)
        assert httpx.get(service.url + known).status_code == 200
        until(lambda: len(writer.acknowledged) > 50)
        writer.finish()

        stored = [row[0] for row in sql(standby, "SELECT name FROM items")]
        acknowledged = [name for _, name in writer.acknowledged]
        assert set(acknowledged) <= set(stored), "an acknowledged row was lost"
        assert len(stored) == len(set(stored)), "a row was stored twice"
        assert {status for _, status in writer.refused} <= {503, 504}
    assert resumed < 20, f"writes resumed only {resumed:.1f} s after the switch"


def test_a_short_failover_costs_waiting_but_no_failed_request(
    primary: Server, standby: Server, road: Wire
) -> None:
    """With a retry time longer than the failover, clients see nothing but a delay."""
    settings = {**QUICK, "retry_seconds": 30, "query_seconds": 30, "ready_grace_seconds": 30}
    with Service(road.port, **settings) as service:
        service.wait_ready()
        writer = Writer(service)
        writer.start()
        until(lambda: len(writer.acknowledged) > 20)
        demote(primary, standby)
        ready = service.get("/healthz/ready")[0]
        road.target = standby.port
        switched = time.monotonic()
        until(lambda: writer.acknowledged[-1][0] > switched + 0.5)
        writer.finish()
        assert writer.refused == []
        assert ready == 200, "within its grace period readiness must not empty the balancer"
        names = [row[0] for row in sql(standby, "SELECT name FROM items")]
        assert len(names) == len(set(names))


def test_a_pooler_that_stays_on_a_demoted_primary_is_seen_through(
    primary: Server, standby: Server, road: Wire
) -> None:
    """Client connections to the pooler survive the demotion; only the answers tell."""
    pooler = Pooler(road.port, {"server_login_retry": "0.2"})
    pooler.start()
    try:
        with Service(pooler.port, **QUICK) as service:
            service.wait_ready()
            location = create(service, "before").headers["location"]
            demote(primary, standby)
            statuses = {httpx.get(service.url + location, timeout=30).status_code for _ in range(3)}
            statuses.add(create(service, "x", "key").status_code)
            assert statuses == {503}

            # What a role change makes the pooler do.
            road.target = standby.port
            asyncio.run(reconnect(pooler))
            until(lambda: httpx.get(service.url + location, timeout=30).status_code == 200)
            assert create(service, "x", "key").status_code == 201
    finally:
        pooler.remove()


async def reconnect(pooler: Pooler) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=pooler.port,
        user=USER,
        database="pgbouncer",
        ssl="disable",
        statement_cache_size=0,
    )
    await connection.execute("RECONNECT")
    await connection.close()


def test_a_server_that_turns_read_only_is_dropped(primary: Server) -> None:
    with Service(primary.port, **QUICK) as service:
        service.wait_ready()
        assert create(service, "before").status_code == 201
        sql(primary, "ALTER SYSTEM SET default_transaction_read_only = on")
        primary.reload()
        until(lambda: create(service, "during").status_code == 503)
        assert counter(service, "slipway_database_drops_total") >= 1
        time.sleep(0.6)
        assert service.get("/healthz/ready")[0] == 503
        on = sql(primary, "SHOW default_transaction_read_only")[0][0]
        assert on == "on"
        configured = primary.directory / "postgresql.auto.conf"
        configured.write_text("")
        primary.reload()
        until(lambda: create(service, "after").status_code == 201)
        until(lambda: service.get("/healthz/ready")[0] == 200)


def test_a_full_volume_refuses_writes_by_name_and_still_reads(primary: Server) -> None:
    refusing = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$"
    )
    with Service(primary.port, **QUICK) as service:
        service.wait_ready()
        stored = create(service, "before")
        assert stored.status_code == 201
        sql(primary, refusing)
        sql(primary, "CREATE TRIGGER full_volume BEFORE INSERT ON items EXECUTE FUNCTION refuse()")
        refused = create(service, "during")
        assert refused.status_code == 507, refused.text
        assert refused.json()["type"].endswith("/database-full")
        item = stored.json()["id"]
        assert service.get(f"/v1/items/{item}")[0] == 200
        assert service.get("/healthz/ready")[0] == 200, "reads need no room"
        sql(primary, "DROP TRIGGER full_volume ON items")
        assert create(service, "after").status_code == 201


def test_connections_that_the_server_ends_cost_no_request(primary: Server) -> None:
    settings = {**QUICK, "retry_seconds": 60, "ready_grace_seconds": 60, "connect_seconds": 5}
    with Service(primary.port, **settings) as service:
        service.wait_ready()
        location = create(service, "x").headers["location"]
        failed: list[int] = []
        halt = threading.Event()

        def read() -> None:
            with httpx.Client(base_url=service.url, timeout=30) as client:
                while not halt.is_set():
                    status = client.get(location).status_code
                    if status != 200:
                        failed.append(status)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        rounds = 0

        def struck() -> bool:
            """End every connection, until at least two were at work at that moment."""
            nonlocal rounds
            rounds += 1
            sql(
                primary,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'slipway-api'",
            )
            time.sleep(0.1)
            return rounds >= 10 and counter(service, "slipway_database_drops_total") >= 2

        try:
            until(struck)
            primary.stop("fast")
            primary.start()
            until(lambda: httpx.get(service.url + location, timeout=90).status_code == 200)
        finally:
            halt.set()
            for thread in threads:
                thread.join(90)
        assert failed == [], [line["error"] for line in service.log() if "error" in line][:2]


def test_a_database_that_falls_silent_is_given_up_and_found_again(
    primary: Server, road: Wire
) -> None:
    with Service(road.port, **QUICK) as service:
        service.wait_ready()
        location = create(service, "x").headers["location"]
        road.frozen = True
        begun = time.monotonic()
        assert httpx.get(service.url + location, timeout=30).status_code == 503
        assert time.monotonic() - begun < 15, "longer than the attempt and the retries may take"
        until(lambda: service.get("/healthz/ready")[0] == 503)

        # After the grace period nobody waits any more.
        with httpx.Client(base_url=service.url, timeout=30) as client:
            took = []
            for _ in range(5):
                begun = time.monotonic()
                answer = client.get(location)
                took.append(time.monotonic() - begun)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            # Whoever waits does so for retry_seconds, every time.
            assert min(took) < QUICK["retry_seconds"] / 2
        assert service.get("/healthz/live")[0] == 200

        road.frozen = False
        until(lambda: httpx.get(service.url + location, timeout=30).status_code == 200)
        until(lambda: service.get("/healthz/ready")[0] == 200)


def lose_an_answer(
    primary: Server, road: Wire, service: Service, key: str | None, onward: int | None = None
) -> Any:
    """Create an item so that it is stored, its answer is lost, and the database is there again, or
    what is at port ``onward``."""
    create(service, "prepared", key and "prepared")
    road.deaf = True
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(create(service, "lost", key)))
    thread.start()
    until(lambda: len(sql(primary, "SELECT 1 FROM items WHERE name = 'lost'")) == 1)
    until(lambda: road.swallowed > 0)
    road.deaf = False
    road.target = onward or road.target
    road.cut()
    thread.join(60)
    return answers[0]


PATIENT = {**QUICK, **ONE_EXCHANGE, "retry_seconds": 20, "query_seconds": 20}


def test_without_a_key_a_lost_answer_is_not_guessed(primary: Server, road: Wire) -> None:
    with Service(road.port, **PATIENT) as service:
        service.wait_ready()
        answer = lose_an_answer(primary, road, service, None)
        assert answer.status_code == 504
        assert answer.json()["type"].endswith("/outcome-unknown")
        time.sleep(0.5)
        # It was stored, and it was not stored again by a retry behind the client's back.
        assert len(sql(primary, "SELECT 1 FROM items WHERE name = 'lost'")) == 1


def test_with_a_key_a_lost_answer_is_found_again(primary: Server, road: Wire) -> None:
    with Service(road.port, **PATIENT) as service:
        service.wait_ready()
        answer = lose_an_answer(primary, road, service, "key-1")
        assert answer.status_code == 201
        stored = sql(primary, "SELECT id FROM items WHERE name = 'lost'")
        assert [str(row[0]) for row in stored] == [answer.json()["id"]]
        assert "idempotency-replayed" not in answer.headers, "the client asked once"
        assert create(service, "lost", "key-1").headers["idempotency-replayed"] == "true"


def test_a_lost_answer_stays_unknown_when_nothing_answers_afterwards(
    primary: Server, road: Wire
) -> None:
    """It was stored, so that "nothing was stored" would be wrong, though the last attempt to
    connect never got as far as storing anything."""
    settings = {**PATIENT, "retry_seconds": 5, "ready_grace_seconds": 60}
    with Service(road.port, **settings) as service:
        service.wait_ready()
        answer = lose_an_answer(primary, road, service, "key-1", onward=free_port())
        assert answer.status_code == 504
        assert answer.json()["type"].endswith("/outcome-unknown")
        assert counter(service, "slipway_database_unknown_outcomes_total") == 1


def test_a_commit_that_no_replica_has_is_never_acknowledged(primary: Server) -> None:
    """Cancelling such a commit makes PostgreSQL report success. The service closes the socket."""
    settings = {**QUICK, "connect_seconds": 5, "retry_seconds": 5, "ready_grace_seconds": 60}
    with Service(primary.port, **settings) as service:
        service.wait_ready()
        sql(primary, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        primary.reload()
        # The checkpointer tells everybody at once, when it has read the setting.
        until(lambda: create(service, "probe").status_code == 504)
        assert create(service, "alone", "key-2").status_code == 504
        assert create(service, "alone, no key").status_code == 504
        assert sql(primary, "SELECT 1 FROM items WHERE name LIKE 'alone%'") == [], (
            "an unreplicated row became visible, so something cancelled its commit"
        )
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        assert len(sql(primary, waiting)) >= 2
        # The control: cancelled, the commit is there for all to see, on this server only.
        sql(primary, f"SELECT pg_cancel_backend(pid) FROM ({waiting}) waiting")
        until(lambda: len(sql(primary, "SELECT 1 FROM items WHERE name = 'alone'")) == 1)
        # A client that repeats its request now must wait as well.
        assert create(service, "alone", "key-2").status_code == 504

        (primary.directory / "postgresql.auto.conf").write_text("")
        primary.reload()
        until(lambda: create(service, "alone", "key-2").status_code == 201)
        assert len(sql(primary, "SELECT 1 FROM items WHERE name = 'alone'")) == 1


def test_a_service_that_starts_before_its_database(primary: Server) -> None:
    primary.stop()
    with Service(primary.port, **QUICK) as service:
        status, body = service.get("/healthz/ready")
        assert status == 503
        assert b"primary database unusable" in body
        assert service.get("/healthz/live")[0] == 200
        primary.start()
        service.wait_ready()


def test_a_service_whose_schema_is_not_there_yet_is_not_ready() -> None:
    server = Server.create()
    try:
        with Service(server.port, **QUICK) as service:

            def refused_for(reason: bytes) -> bool:
                status, body = service.get("/healthz/ready")
                assert status == 503
                return reason in body

            until(lambda: refused_for(b"schema"))
            assert DATABASE == "api"
            assert migrate(server.port).returncode == 0
            # A database that only an older version has migrated.
            sql(server, "UPDATE schema_migrations SET version = -version")
            until(lambda: refused_for(b"schema lacks 0001_items"))
            sql(server, "UPDATE schema_migrations SET version = -version")
            service.wait_ready()
    finally:
        server.remove()


def test_reads_may_use_a_replica_and_writes_never_do(primary: Server, standby: Server) -> None:
    settings = {
        **QUICK,
        "database_replica_host": "127.0.0.1",
        "database_replica_port": standby.port,
    }
    with Service(primary.port, **settings) as service:
        service.wait_ready()
        location = create(service, "x").headers["location"]
        eventual = {"Read-Consistency": "eventual"}

        def where(path: str) -> str:
            answer = httpx.get(service.url + path, headers=eventual, timeout=30)
            return f"{answer.status_code} {answer.headers.get('read-consistency')}"

        until(lambda: where(location) == "200 eventual")
        assert where("/v1/items") == "200 eventual"
        assert httpx.get(service.url + location).headers["read-consistency"] == "strong"

        # A replica that stopped replaying shows where an answer comes from.
        sql(standby, "SELECT pg_wal_replay_pause()")
        late = create(service, "late").headers["location"]
        assert where(late).startswith("404")
        assert httpx.get(service.url + late).status_code == 200
        assert httpx.get(service.url + late, headers={"Read-Consistency": "strong"}).is_success

        standby.stop("immediate")
        assert where(late) == "200 strong", "without a replica the primary answers"
        standby.start()
        until(lambda: where(location) == "200 eventual")
