"""The commands `jitweb records`: what was measured, listed and moved between machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.console.command_line import NonEmptyPath, as_json, write_output
from harness.console.terminal import print_json, print_line
from harness.system.files import read_bounded
from jitweb.errors import JitwebError

if TYPE_CHECKING:
    from jitweb.records import Record

MOST_RECORDS_BYTES = 256 << 20

records_option = click.option(
    "--records",
    "records_path",
    type=NonEmptyPath(path_type=Path),
    help="The records' file. [$JITWEB_RECORDS, else the user's cache]",
)


@click.group()
def records() -> None:
    """What was measured: list it, or move it between machines."""


def _kept(named: Path | None) -> list[Record]:
    """All records of a file, or of the usual one, which need not be there, and isn't made.

    Raises:
        JitwebError: the named one does not exist, or holds none.
    """
    from jitweb.records import Records, default_path

    path = named or default_path()
    if not path.exists():
        if named:
            raise JitwebError(f"{path} does not exist; jitweb tune --records {path} makes it")
        return []
    with Records(path) as database:
        return database.all()


@records.command("ls")
@records_option
@as_json
def list_records(records_path: Path | None, json_output: bool) -> None:
    """List the records."""
    from dataclasses import asdict

    found = _kept(records_path)
    if json_output:
        print_json([asdict(record) for record in found])
        return
    for record in found:
        taken = f"{record.min_ms:10.4f} ms" if record.min_ms is not None else f"{record.status:>13}"
        print_line(f"{record.target:6} {record.task} {taken}  {record.candidate}")
    tasks = len({(record.task, record.target, record.device) for record in found})
    print_line(f"{len(found)} records of {tasks} kernels", err=True)


@records.command("export")
@click.argument("output", metavar="FILE", type=NonEmptyPath(path_type=Path))
@records_option
def export_records(output: Path, records_path: Path | None) -> None:
    """Write all records to a file, a line of JSON each."""
    from jitweb.records import to_lines

    lines = list(to_lines(_kept(records_path)))
    write_output(output, "".join(f"{line}\n" for line in lines).encode(), "name another file")
    print_line(f"{output}: {len(lines)} records", err=True)


@records.command("import")
@click.argument("source", metavar="FILE", type=NonEmptyPath(path_type=Path))
@records_option
def import_records(source: Path, records_path: Path | None) -> None:
    """Add the records of a file that `records export` has written."""
    from jitweb.records import Records, default_path, from_lines

    try:
        text = read_bounded(source, MOST_RECORDS_BYTES).decode()
    except OSError as error:
        raise JitwebError(f"{source} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise JitwebError(f"{source} is not text in UTF-8, as records export writes it") from None
    try:
        found = list(from_lines(text.splitlines()))
    except JitwebError as error:
        raise JitwebError(
            f"{source}: {error}; make such a file by jitweb records export FILE"
        ) from None
    with Records(records_path or default_path()) as database:
        before = len(database.all())
        database.add(found)
        new = len(database.all()) - before
    print_line(f"{new} records added, {len(found) - new} known already", err=True)
