"""The environment is read strictly, and all its faults are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway_api import settings

MINIMAL = {"SLIPWAY_DATABASE_HOST": "db"}


def test_defaults() -> None:
    found, unknown = settings.load(MINIMAL)
    assert found.database_host == "db"
    assert (found.database_port, found.database_replica_port) == (5432, 5432)
    assert found.statement_cache == 0, "anything else breaks behind a transaction pooler"
    assert unknown == []


def test_the_replica_has_the_primarys_port_unless_told() -> None:
    found, _ = settings.load({**MINIMAL, "SLIPWAY_DATABASE_PORT": "6432"})
    assert found.database_replica_port == 6432


def test_every_fault_is_reported_with_its_name() -> None:
    environ = {
        "SLIPWAY_DATABASE_PORT": "70000",
        "SLIPWAY_POOL_MAX": "x",
        "SLIPWAY_DRAIN_SECONDS": "nan",
        "SLIPWAY_LOG_LEVEL": "loud",
        "SLIPWAY_DATABASE_NAME": " ",
        "SLIPWAY_DATABASE_PASSWORD_FILE": "/nonexistent",
        "SLIPWAY_TRACES_ENDPOINT": "collector:4318",
        "SLIPWAY_TRACES_RATIO": "nan",
    }
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(environ)
    named = {fault.split(":")[0] for fault in raised.value.faults}
    assert named == {*environ, "SLIPWAY_DATABASE_HOST"}


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"SLIPWAY_POOL_MIN": "5", "SLIPWAY_POOL_MAX": "4"}, "SLIPWAY_POOL_MIN"),
        ({"SLIPWAY_POOL_MIN": "11"}, "SLIPWAY_POOL_MIN"),
        ({"SLIPWAY_KEEPALIVE_SECONDS": "0"}, "SLIPWAY_KEEPALIVE_SECONDS"),
        ({"SLIPWAY_DATABASE_SSLMODE": "yes"}, "SLIPWAY_DATABASE_SSLMODE"),
        (
            {"SLIPWAY_DATABASE_PASSWORD": "x", "SLIPWAY_DATABASE_PASSWORD_FILE": __file__},
            "SLIPWAY_DATABASE_PASSWORD",
        ),
    ],
)
def test_contradictions_are_faults(extra: dict[str, str], name: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load({**MINIMAL, **extra})
    assert raised.value.faults[0].startswith(f"{name}: ")
    assert len(raised.value.faults) == 1


@pytest.mark.parametrize("value", ["ftp://c/v1/traces", "http://", "http:// /x", "https://[/", ""])
def test_an_endpoint_of_traces_must_be_a_url(value: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load({**MINIMAL, "SLIPWAY_TRACES_ENDPOINT": value})
    assert raised.value.faults[0].startswith("SLIPWAY_TRACES_ENDPOINT: ")


@pytest.mark.parametrize("value", ["-0.1", "1.1", "inf", "half", ""])
def test_a_ratio_of_traces_is_a_share(value: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load({**MINIMAL, "SLIPWAY_TRACES_RATIO": value})
    assert raised.value.faults[0].startswith("SLIPWAY_TRACES_RATIO: ")


def test_traces_are_off_unless_they_have_an_endpoint() -> None:
    found, _ = settings.load(MINIMAL)
    assert (found.traces_endpoint, found.traces_ratio) == ("", 0.01)
    extra = {"SLIPWAY_TRACES_ENDPOINT": "http://c:4318/v1/traces", "SLIPWAY_TRACES_RATIO": "1"}
    found, _ = settings.load({**MINIMAL, **extra})
    assert (found.traces_endpoint, found.traces_ratio) == ("http://c:4318/v1/traces", 1.0)


def test_variables_of_kubernetes_are_named_but_no_fault() -> None:
    _, unknown = settings.load({**MINIMAL, "SLIPWAY_API_SERVICE_HOST": "10.0.0.1"})
    assert unknown == ["SLIPWAY_API_SERVICE_HOST"]


@pytest.mark.anyio
async def test_the_password_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    found, _ = settings.load({**MINIMAL, "SLIPWAY_DATABASE_PASSWORD_FILE": str(file)})
    assert await found.password() == "first"
    file.write_text("second ")
    assert await found.password() == "second ", "only the line break is not part of it"


def test_the_password_is_not_shown() -> None:
    found, _ = settings.load({**MINIMAL, "SLIPWAY_DATABASE_PASSWORD": "hunter2"})
    assert "hunter2" not in repr(found)
