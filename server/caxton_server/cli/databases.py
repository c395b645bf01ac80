"""`caxton db`: check, rebuild, back up, restore and export a node's database, wherever it is kept."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caxton_server.cli.connections import json_option
from caxton_server.cli.databases_exports import export
from caxton_server.cli.databases_places import FILE, Chosen, chosen, confirm, confirm_option, done
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import clean, data, talk

if TYPE_CHECKING:
    from caxton_server.databases.archives import Manifest


@click.group()
def db() -> None:
    """Check, rebuild, back up, restore and export a node's database.

    What only reads (check, backup, export) works while the node runs; the rest takes its place.
    """


@db.command()
@chosen
@json_option
def migrate(db: Chosen, /, json_: bool) -> None:
    """Bring the tables to the version of this Caxton; a node does so too when it starts.

    \b
    Example:
      caxton db migrate --data /var/lib/caxton
    """
    with db.writing(create=True) as place:
        found, now = place.storage.migrated
    if json_:
        data({"database": db.name, "from": found, "to": now})
    elif found == now:
        talk(f"{db.name} has version {now}: nothing to do.")
    else:
        talk(f"{db.name}: from version {found} to {now}.")


@db.command()
@click.argument("backup", required=False, type=FILE)
@chosen
@json_option
@click.pass_context
def check(ctx: click.Context, db: Chosen, /, backup: Path | None, json_: bool) -> None:
    """Look for everything that is wrong with the database, or with a BACKUP; exit code 1 if anything is.

    Each thing is one line. Groups, index entries, rows and modules are read and compared with each other: what can be
    rebuilt from the journal must be what the journal says.

    \b
    Examples:
      caxton db check --data /var/lib/caxton
      caxton db check monday.backup
    """
    if backup is not None:
        _check_backup(db, backup, json_)
        return
    from caxton_server.databases.checks import check as look
    from caxton_server.databases.places import committed

    def tell(text: str) -> None:
        if not json_:
            click.echo(clean(text, lines=False))

    # Before it is read: a node may commit more meanwhile.
    known = committed(db.config)
    with db.reading() as place:
        report = look(place.storage, tell=tell, committed=known)
    if json_:
        data({"database": db.name, "ok": report.ok, **as_fields(report)})
    else:
        left = f", {report.not_compared} of them older than what the journal holds and not compared"
        wrong = {0: "Nothing is", 1: "1 thing is"}.get(
            len(report.wrong), f"{len(report.wrong)} things are"
        )
        talk(
            f"{db.name}: {report.groups} groups ({report.first_group} to {report.last_group}) with"
            f" {report.records} records, {report.rows} rows{left if report.not_compared else ''}, {report.keys} keys,"
            f" {report.modules} modules. {wrong} wrong."
        )
    ctx.exit(Exit.OK if report.ok else Exit.FAILURE)


def _check_backup(db: Chosen, path: Path, json_: bool) -> None:
    from returns.result import Failure

    from caxton_server.databases.archives import BrokenArchive, verify
    from caxton_server.databases.places import open_archive

    with contextlib.closing(done(open_archive(path, db.registry, read_only=True))) as archive:
        found = verify(path, archive)
    if isinstance(found, Failure) and isinstance(broken := found.failure(), BrokenArchive):
        if json_:
            data({"backup": str(path), "ok": False, "wrong": broken.wrong})
        else:
            for text in broken.wrong:
                click.echo(clean(text, lines=False))
        raise Stopped(Exit.FAILURE, f"{path} can't be used.")
    manifest = done(found)
    if json_:
        data({"backup": str(path), "ok": True, "wrong": [], "manifest": manifest})
    else:
        talk(f"{path}: {told(manifest)}. Nothing is wrong.")


def as_fields(report: Any) -> dict[str, Any]:
    """Return the fields of a report by name."""
    import msgspec

    return msgspec.structs.asdict(report)


def told(manifest: Manifest) -> str:
    """Say what is in a backup."""
    rows = sum(manifest.rows.values())
    return (
        f"{manifest.groups} groups ({manifest.first_group} to {manifest.last_group}), {rows} rows and"
        f" {manifest.modules} modules, of {manifest.created}"
    )


@db.command()
@click.option(
    "--upto", type=click.IntRange(1), metavar="GROUP",
    help="Keep the journal up to this group and give up what is behind it.",
)  # fmt: skip
@confirm_option
@chosen
@json_option
def rebuild(db: Chosen, /, upto: int | None, confirmed: str | None, json_: bool) -> None:
    """Build all tables and the index anew from the journal.

    A journal that can't be read to its end is left as it is. With --upto its intact part is kept, and whatever happened
    behind it is given up: make a copy of the files first.

    \b
    Examples:
      caxton db rebuild --data /var/lib/caxton
      caxton db rebuild --upto 811
    """
    from caxton_server.databases.rebuilding import rebuild as build

    with db.writing(create=False) as place:
        last = place.storage.last_group()
        if upto is not None and upto < last:
            what = f"The groups {upto + 1} to {last} of {db.name} go for ever."
            confirm(db.name, confirmed, what)
        built = done(build(place.storage, upto=upto))
        if built.given_up:
            place.forget_end()
    if json_:
        data({"database": db.name, **as_fields(built)})
        return
    for text in built.lost:
        click.echo(clean(f"Lost: {text}", lines=False))
    talk(f"{db.name}: {built.rows} rows and the index are rebuilt from {built.groups} groups.")
    if built.carried:
        talk(f"{built.carried} rows that only the tables had are in the journal now.")
    if built.given_up:
        talk(f"{built.given_up} groups were given up.")


@db.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@chosen
@json_option
def backup(db: Chosen, /, file: Path, force: bool, json_: bool) -> None:
    """Write everything into FILE, while the node runs or not, and verify it.

    FILE has its name only when all of it is on the disk and was read back. It can be restored into any kind of storage.

    \b
    Example:
      caxton db backup /backups/monday.backup --data /var/lib/caxton
    """
    from caxton_server.databases.archives import backup as write

    with db.reading() as place:
        manifest = done(write(place.storage, file, db.registry, replace=force))
    if json_:
        data({"backup": str(file), "manifest": manifest})
    else:
        talk(f"{file}: {told(manifest)}, verified.")


@db.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Restore over the data that is there.")
@confirm_option
@chosen
@json_option
def restore(db: Chosen, /, file: Path, force: bool, confirmed: str | None, json_: bool) -> None:
    """Fill an empty database from the backup FILE, and verify it.

    Data that is there already goes only with --force, and only if somebody confirms it.

    \b
    Examples:
      caxton db restore monday.backup --data /var/lib/caxton
      caxton db restore monday.backup --force --confirm /var/lib/caxton/caxton.db
    """
    from caxton_server.databases.archives import is_empty
    from caxton_server.databases.archives import restore as fill

    with db.writing(create=True) as place:
        if not is_empty(place.storage):
            if not force:
                said = f"{db.name} is not empty. Restore to another place, or over it with --force."
                raise Stopped(Exit.CONFLICT, said)
            confirm(db.name, confirmed, f"All that is in {db.name} goes for ever.")
        manifest = done(fill(file, place.storage, db.registry, replace=force))
        place.forget_end()
    if json_:
        data({"database": db.name, "backup": str(file), "manifest": manifest})
    else:
        talk(f"{db.name}: {told(manifest)}, restored and verified.")


db.add_command(export)
