"""Settings, rendering, and noticing that files changed."""

import stat

import pytest
import yaml

from slipway_postgres import render, settings


def test_every_missing_variable_is_named():
    with pytest.raises(settings.BadSetting, match="POD_NAME, POD_NAMESPACE not set"):
        settings.load({"POD_IP": "10.0.0.1"})


def test_passwords_come_from_files_and_the_superuser_has_none(here):
    config = render.render(here)
    logins = config["postgresql"]["authentication"]
    assert logins["replication"]["password"] == "secret-replication"
    assert logins["rewind"]["password"] == "secret-rewind"
    assert "password" not in logins["superuser"]
    assert config["restapi"]["authentication"]["password"] == "secret-restapi"
    assert config["bootstrap"]["dcs"] == {"ttl": 20}
    assert config["postgresql"]["connect_address"] == "10.0.0.1:5432"


def test_an_ipv6_address_gets_brackets():
    assert render.endpoint("fd00::1", 5432) == "[fd00::1]:5432"


def test_the_rendered_file_is_private_and_replaced(here):
    for _ in range(2):
        render.write(here)
    assert stat.S_IMODE(here.patroni_file.stat().st_mode) == 0o600
    assert yaml.safe_load(here.patroni_file.read_text())["name"] == "postgres-1"


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", ""])
def test_a_faulty_file_is_named(here, content):
    (here.config / "dynamic.yaml").write_text(content)
    with pytest.raises(settings.BadSetting, match=r"dynamic\.yaml"):
        render.render(here)


def test_an_empty_password_is_refused(here):
    (here.credentials / "rewind").write_text("\n")
    with pytest.raises(settings.BadSetting, match="rewind is empty"):
        render.render(here)


def test_the_fingerprint_follows_content_and_nothing_else(here):
    first = render.fingerprint(here.watched)
    (here.config / "..data").write_text("what kubelet keeps for itself")
    assert render.fingerprint(here.watched) == first
    here.tls.mkdir()
    (here.tls / "tls.crt").write_text("renewed")
    assert render.fingerprint(here.watched) != first
