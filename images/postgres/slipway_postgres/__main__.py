"""The commands of a member: run, roles, role-changed, handover, reconcile."""

import os
import sys
import urllib.error

from . import handover, labels, reconcile, render, settings, supervise
from .rest import Rest, RestError

USAGE = """usage: slipway-postgres COMMAND

  run            run this member until it is told to stop
  roles          create the declared roles and database, if this member leads
  role-changed   what Patroni calls when this member's role changes
  handover       give the lead to another member, if this one has it
  reconcile URL  bring a live cluster in line with dynamic.yaml
"""


def local_rest(here: settings.Settings) -> Rest:
    config = render.read_yaml(here.config / "patroni.yaml")
    user = config["restapi"]["authentication"]["username"]
    secret = settings.password(here.credentials, "restapi")
    return Rest(f"http://127.0.0.1:{settings.REST_PORT}", user, secret)


def role_changed(here: settings.Settings, arguments: list[str]) -> None:
    """Patroni appends action, role and scope."""
    if len(arguments) < 2 or arguments[1] != "primary":
        return
    # One failing must not keep the other from being done.
    try:
        for pod in labels.strip_stale(here, labels.Api(labels.server(dict(os.environ)))):
            supervise.say(f"took the primary label from {pod}")
    except (OSError, KeyError, ValueError, settings.BadSetting) as error:
        supervise.say(f"leaving the labels of other members alone: {error}")
    ensure_roles(here, promoted=True)


def ensure_roles(here: settings.Settings, promoted: bool = False) -> None:
    # Loaded only here: the first process of a pod lives as long as the pod and
    # has no use for a database driver's memory.
    import psycopg

    from . import roles

    try:
        done = roles.ensure_as_leader(here) if promoted else roles.ensure(here)
    except psycopg.Error as error:
        raise settings.BadSetting(f"creating roles and database: {error}") from error
    for line in done:
        supervise.say(line)


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    try:
        match command:
            case "run":
                here = settings.load()
                patroni = [sys.executable, "-m", "slipway_postgres.launch", str(here.patroni_file)]
                return supervise.Supervisor(here, patroni).run()
            case "roles":
                ensure_roles(settings.load())
            case "role-changed":
                role_changed(settings.load(), rest)
            case "handover":
                here = settings.load()
                supervise.say(handover.hand_over(local_rest(here), here.name))
            case "reconcile" if len(rest) == 1:
                reconcile.command(rest[0], dict(os.environ))
            case _:
                sys.stderr.write(USAGE)
                return 2
    except (
        settings.BadSetting,
        reconcile.ReconcileError,
        RestError,
        urllib.error.URLError,
    ) as error:
        print(f"slipway-postgres: {command}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
