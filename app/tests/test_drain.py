"""SIGTERM under load loses no request; without the drain it does."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time

import httpx
import pytest

from cluster import Server
from service import Service


class Balancer:
    """What a proxy with health checks does: send each request to an instance that was ready when
    last asked, reuse idle connections, and never repeat a request by itself."""

    # Longer than the server needs to close its sockets, or the control could find it unready first.
    PERIOD = 0.5

    def __init__(self, *instances: Service) -> None:
        self.instances = list(instances)
        self.ready = list(instances)
        self.failures: list[str] = []
        self.answered = 0
        self.looked = threading.Event()
        self._halt = threading.Event()
        self._threads = [threading.Thread(target=self._watch, daemon=True)]
        self._threads += [threading.Thread(target=self._send, args=(n,)) for n in range(6)]

    def __enter__(self) -> Balancer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._halt.set()
        for thread in self._threads:
            thread.join(30)

    def _watch(self) -> None:
        while not self._halt.is_set():
            self.ready = [one for one in self.instances if self._is_ready(one)] or self.ready
            self.looked.set()
            time.sleep(self.PERIOD)

    def _is_ready(self, instance: Service) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=1)
        try:
            connection.request("GET", "/healthz/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _send(self, number: int) -> None:
        connections: dict[Service, http.client.HTTPConnection] = {}
        turn = number
        while not self._halt.is_set():
            turn += 1
            ready = self.ready
            instance = ready[turn % len(ready)]
            connection = connections.pop(instance, None) or http.client.HTTPConnection(
                "127.0.0.1", instance.port, timeout=20
            )
            # http.client reconnects by itself, which is what a proxy does with a closed one; one
            # that is closed at the moment it is used is a failed request.
            try:
                connection.request("GET", "/v1/items")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(f"status {answer.status}")
                self.answered += 1
                if answer.will_close:
                    connection.close()
                else:
                    connections[instance] = connection
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        for connection in connections.values():
            connection.close()


def wait_draining(service: Service) -> None:
    """Return once the process has taken a signal in and says so."""
    deadline = time.monotonic() + 60
    while service.get("/healthz/ready")[0] != 503:
        assert time.monotonic() < deadline, "it does not drain"
        time.sleep(0.02)


def wait_closed(service: Service) -> None:
    """Return once nothing listens any more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", service.port), timeout=5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("it still listens")


def stop_one_of_two(postgres: Server, drain: float) -> tuple[Balancer, Service]:
    settings = {"drain_seconds": drain, "shutdown_seconds": 5}
    with Service(postgres.port, **settings) as leaving, Service(postgres.port, **settings) as other:
        leaving.wait_ready()
        other.wait_ready()
        with Balancer(leaving, other) as balancer:
            time.sleep(0.7)
            # Right after a look is the worst moment: the next is a whole period away.
            balancer.looked.clear()
            assert balancer.looked.wait(10)
            leaving.terminate()
            leaving.process.wait(20)
            time.sleep(0.3)
        return balancer, leaving


def test_a_drained_stop_under_load_loses_nothing(postgres: Server) -> None:
    balancer, leaving = stop_one_of_two(postgres, drain=2.5)
    assert balancer.failures == []
    assert balancer.answered > 100
    assert leaving.process.returncode == 0


def test_an_undrained_stop_under_load_loses_requests(postgres: Server) -> None:
    """The control: the load above would notice."""
    lost = 0
    for _ in range(5):
        balancer, _ = stop_one_of_two(postgres, drain=0)
        lost += len(balancer.failures)
        if lost:
            break
    assert lost > 0


def test_while_draining_requests_are_served_and_connections_closed(postgres: Server) -> None:
    with Service(postgres.port, drain_seconds=60) as service:
        service.wait_ready()
        with httpx.Client(base_url=service.url) as client:
            assert "connection" not in client.get("/healthz/live").headers
            service.terminate()
            wait_draining(service)
            answer = client.get("/v1/items")
            assert answer.status_code == 200
            assert answer.headers["connection"] == "close"
            ready = client.get("/healthz/ready")
            assert ready.status_code == 503
            assert "draining" in ready.json()["reasons"][0]
            assert client.get("/healthz/live").status_code == 200
            text = client.get("/metrics").text
            assert "slipway_draining 1.0" in text
        service.terminate()
        assert service.process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_skips_the_drain(postgres: Server, number: int) -> None:
    with Service(postgres.port, drain_seconds=60) as service:
        service.wait_ready()
        service.process.send_signal(number)
        wait_draining(service)
        begun = time.monotonic()
        service.process.send_signal(number)
        assert service.process.wait(90) == 0
        assert time.monotonic() - begun < 30, "half of the drain"


def test_a_request_that_runs_at_the_end_of_the_drain_is_finished(postgres: Server) -> None:
    """The request waits for a body that arrives only after the listening socket has closed."""
    with Service(postgres.port, drain_seconds=0.2, shutdown_seconds=120) as service:
        service.wait_ready()
        body = b'{"name": "last", "quantity": 1}'
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
            peer.sendall(
                b"POST /v1/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n" % len(body) + body[:5]
            )
            time.sleep(0.2)
            service.terminate()
            wait_closed(service)
            peer.sendall(body[5:])
            assert peer.recv(65536).startswith(b"HTTP/1.1 201")
        assert service.process.wait(60) == 0


def test_a_request_that_never_ends_does_not_hold_the_process(postgres: Server) -> None:
    with Service(postgres.port, drain_seconds=0, shutdown_seconds=1) as service:
        service.wait_ready()
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
            peer.sendall(
                b"POST /v1/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: 100\r\n\r\n"
            )
            time.sleep(0.2)
            service.terminate()
            assert service.process.wait(60) == 0


def test_an_idle_connection_outlives_the_proxys_patience(postgres: Server) -> None:
    """With uvicorn's default of 5 s this connection would be gone."""
    with Service(postgres.port) as service:
        service.wait_ready()
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        connection.request("GET", "/healthz/live")
        connection.getresponse().read()
        first = connection.sock
        time.sleep(6)
        connection.request("GET", "/healthz/live")
        assert connection.getresponse().status == 200
        assert connection.sock is first
        connection.close()


def test_the_default_keepalive_exceeds_traefiks() -> None:
    from slipway_api.settings import Settings

    assert Settings(database_host="x").keepalive_seconds > 90
