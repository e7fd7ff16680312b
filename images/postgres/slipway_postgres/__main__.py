"""The commands of a member, of the repository of its backups, and of what tells Prometheus."""

import os
import shutil
import subprocess
import sys
import urllib.error
from pathlib import Path

from . import archive, handover, labels, reconcile, render, settings, supervise
from .rest import Rest, RestError

USAGE = """usage: slipway-postgres COMMAND

  run            run this member until it is told to stop
  roles          create the declared roles and database, if this member leads
  role-changed   what Patroni calls when this member's role changes
  handover       give the lead to another member, if this one has it
  reconcile URL  bring a live cluster in line with dynamic.yaml

  exporter       tell Prometheus of the member beside this container
  bouncer PORT   tell Prometheus of the PgBouncer at this port of the pod

  repository               keep backups of the members until told to stop
  backup [full|incr]       take one, besides those that are due
  drill [TIME]             restore one, read everything in it, and throw it away
  restored TIME query SQL  ask what was there at a time; "" is the end
  restored TIME dump       print it, as pg_dump does
"""


def keep_repository() -> int:
    from . import drill, repository

    config, tls, data = repository.surroundings()
    plan = repository.read_plan(config)
    scratch = data / "scratch"
    # Whatever a drill left there, nobody is at it any more.
    shutil.rmtree(scratch, ignore_errors=True)

    def prove(current: repository.Plan) -> str:
        place = scratch / "due"
        trial = drill.Drill(config / "pgbackrest.conf", current.stanza, place)
        return drill.prove(trial, current.database)

    tool = repository.PgBackRest(plan.stanza)
    keeper = repository.Keeper(
        lambda: repository.read_plan(config),
        tool,
        repository.Metrics(),
        data / "drilled",
        prove,
    )
    return repository.Pod((config, tls), keeper, tool).run()


def back_up(kind: str) -> None:
    from . import repository

    config, _, _ = repository.surroundings()
    tool = repository.PgBackRest(repository.read_plan(config).stanza)
    try:
        tool.run("backup", f"--type={kind}")
        newest = tool.backups()[-1]
    except repository.Failed as error:
        if error.status == repository.LOCKED:
            raise settings.BadSetting("a backup is being taken already") from error
        raise settings.BadSetting(str(error)) from error
    print(f"{newest.label} is complete since {repository.when(newest.finished)}")


def restored(moment: str, command: str, *rest: str) -> None:
    """Do something with a restored server: drill, query SQL or dump."""
    from . import drill, repository

    config, _, data = repository.surroundings()
    plan = repository.read_plan(config)
    place = data / "scratch" / str(os.getpid())
    trial = drill.Drill(config / "pgbackrest.conf", plan.stanza, place, moment)
    try:
        if command == "drill":
            print(drill.prove(trial, plan.database))
            return
        with trial.server() as socket:
            if command == "query":
                print(drill.query(socket, plan.database, rest[0]))
            else:
                subprocess.run(
                    [drill.BIN / "pg_dump", "-h", socket, "-d", plan.database], check=True
                )
    except (OSError, subprocess.CalledProcessError) as error:
        raise settings.BadSetting(str(error)) from error


def export(env: dict[str, str]) -> None:
    """Become the exporter."""
    from . import exporter

    run = settings.run_directory(env)
    source = exporter.environment(run, settings.POSTGRES_PORT)
    words = exporter.command()
    os.execvpe(words[0], words, env | source)


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
    if leads(here):
        archive_former(here)
        ensure_roles(here)


def leads(here: settings.Settings) -> bool:
    # Loaded only where it is needed: the first process of a pod lives as long as
    # the pod and has no use for a database driver's memory.
    import psycopg

    from . import roles

    try:
        return roles.leads(here)
    except psycopg.Error as error:
        raise settings.BadSetting(f"waiting to lead: {error}") from error


def ensure_roles(here: settings.Settings) -> None:
    import psycopg

    from . import roles

    try:
        done = roles.ensure(here)
    except psycopg.Error as error:
        raise settings.BadSetting(f"creating roles and database: {error}") from error
    for line in done:
        supervise.say(line)


def archive_former(here: settings.Settings) -> None:
    if not (here.config / "pgbackrest.conf").exists():
        return
    try:
        data = Path(render.read_yaml(here.config / "patroni.yaml")["postgresql"]["data_dir"])
        for segment in archive.mark(data):
            supervise.say(f"archiving {segment}, in case the former leader did not")
    except (OSError, ValueError, KeyError) as error:
        supervise.say(f"leaving the former leader's segments alone: {error}")


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
            case "exporter" if not rest:
                export(dict(os.environ))
            case "bouncer" if len(rest) == 1 and rest[0].isdigit():
                from . import bouncer

                root = settings.mounted(os.environ)
                return bouncer.run(root / "credentials", int(rest[0]))
            case "repository" if not rest:
                return keep_repository()
            case "backup" if rest in ([], ["full"], ["incr"]):
                back_up(rest[0] if rest else "incr")
            case "drill" if len(rest) <= 1:
                restored(rest[0] if rest else "", "drill")
            case "restored" if rest[1:] == ["dump"] or (len(rest) == 3 and rest[1] == "query"):
                restored(*rest)
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
