"""The roles and the database that the cluster's clients use, and the exporter's role."""

import base64
import hashlib
import hmac
import time
from typing import Any

import psycopg
from psycopg import sql

from . import render
from .settings import Settings, password

# A promoted member accepts writes a moment after Patroni says it leads.
PATIENCE = 60.0


def matches(verifier: str | None, secret: str) -> bool:
    """Whether a stored SCRAM-SHA-256 verifier belongs to a password. Setting a
    password anew would change the salt, hence write WAL, on every promotion."""
    if not verifier or not verifier.startswith("SCRAM-SHA-256$"):
        return False
    try:
        _, parameters, keys = verifier.split("$")
        iterations, salt = parameters.split(":")
        stored = base64.b64decode(keys.split(":")[0])
        salted = hashlib.pbkdf2_hmac(
            "sha256", secret.encode(), base64.b64decode(salt), int(iterations)
        )
    except ValueError:
        return False
    key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(key).digest(), stored)


def connect(settings: Settings, database: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(
        host=str(settings.run), dbname=database, user="postgres", autocommit=True, connect_timeout=5
    )
    # A cluster without its standbys must still be able to create its roles;
    # whoever leads next repeats this step, so nothing hangs on their survival.
    connection.execute("SET synchronous_commit = local")
    return connection


def set_password(connection: psycopg.Connection[Any], role: str, secret: str) -> bool:
    """Give an existing role this password, if it has another one. What is sent
    is the verifier: the password itself can appear in no log."""
    row = connection.execute(
        "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role]
    ).fetchone()
    if row is None or matches(row[0], secret):
        return False
    verifier = connection.pgconn.encrypt_password(
        secret.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
    )
    return True


def ensure(settings: Settings) -> list[str]:
    """Create what is missing and correct the passwords. Returns what was done;
    an empty list on a standby, which must not be written to."""
    declared = render.read_yaml(settings.config / "roles.yaml")
    database, owner = declared["database"], declared["owner"]
    logins = render.read_yaml(settings.config / "patroni.yaml")["postgresql"]["authentication"]
    done: list[str] = []
    with connect(settings, "postgres") as connection:
        if in_recovery(connection):
            return done
        if not exists(connection, owner):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(owner)))
            done.append(f"created role {owner}")
        # Only where somebody watches is there one.
        watcher = declared.get("exporter")
        if watcher and not exists(connection, watcher):
            create_exporter(connection, watcher)
            done.append(f"created role {watcher}")
        passwords = {owner: "owner"} | {
            login["username"]: file for file, login in logins.items() if file != "superuser"
        }
        for role, file in passwords.items():
            if set_password(connection, role, password(settings.credentials, file)):
                done.append(f"set the password of {role}")
        found = connection.execute(
            "SELECT FROM pg_database WHERE datname = %s", [database]
        ).fetchone()
        if found is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(owner)
                )
            )
            # Nobody but the owner: every role may connect to a new database.
            connection.execute(
                sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))
            )
            done.append(f"created database {database}")
    return done


def exists(connection: psycopg.Connection[Any], role: str) -> bool:
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    return found is not None


def create_exporter(connection: psycopg.Connection[Any], role: str) -> None:
    """Make a role that sees statistics and no row of anybody's. pg_monitor would
    let it read every setting and scan tables as well, for what nothing here asks.
    It gets no password, so it comes in through the socket alone."""
    name = sql.Identifier(role)
    with connection.transaction():
        for statement in (
            "CREATE ROLE {} LOGIN CONNECTION LIMIT 3 IN ROLE pg_read_all_stats",
            "ALTER ROLE {} SET default_transaction_read_only = on",
            # A question that hangs ends by itself, whatever Prometheus still waits for.
            "ALTER ROLE {} SET statement_timeout = '8s'",
        ):
            connection.execute(sql.SQL(statement).format(name))


def in_recovery(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def leads(settings: Settings) -> bool:
    """Wait until this member, just promoted, accepts writes; False if it never does."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with connect(settings, "postgres") as connection:
                if not in_recovery(connection):
                    return True
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
