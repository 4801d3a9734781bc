"""The commands of `tzer corpus`: to keep, join and hand on what campaigns have collected.

Sources are read only, also while a campaign writes to them; a folder that is written is locked.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import UserError
from harness.console.command_line import NonEmptyPath, as_json
from harness.console.terminal import print_json, print_line

if TYPE_CHECKING:
    from corpus.exchange import PackedCase

CHECK_SECONDS = 120
CHECKED_A_SECOND = 20

path_type = NonEmptyPath(path_type=Path)
source = click.argument("directory", metavar="DIR", type=path_type)
target = click.option(
    "-o", "--out", type=path_type, required=True, metavar="NEW", help="The folder to add them to."
)


@click.group()
def corpus() -> None:
    """Distill, merge, export and import the cases of campaigns."""


@corpus.command()
@source
@target
@as_json
def distill(directory: Path, out: Path, json_output: bool) -> None:
    """Copy the fewest cases that reach all blocks that DIR's reach.

    Of cases that reach the same, the smallest are taken. The new folder is a campaign to go on
    with. Findings stay where they are.
    """
    from corpus.merge import add_entries, check_same_tvm, distilled
    from corpus.store import Store

    _check_apart([directory], out)
    with Store.open(directory) as store:
        kept = distilled(store)
        of = len(store.entry_sizes())
        with Store.create_or_resume(out, store.settings()) as new:
            check_same_tvm(store, new)
            added = add_entries(new, store, kept)
    if json_output:
        print_json({"entries": of, "kept": len(kept), "added": added})
    else:
        print_line(
            f"{len(kept)} of {of} cases reach the same blocks; {added} of them added to {out}"
        )


@corpus.command()
@click.argument("directories", metavar="DIR...", type=path_type, nargs=-1, required=True)
@target
@as_json
def merge(directories: tuple[Path, ...], out: Path, json_output: bool) -> None:
    """Copy the cases of several campaigns into one.

    Each is copied once, with what it reached.
    """
    from corpus.merge import add_entries, check_same_tvm
    from corpus.store import Store

    _check_apart(directories, out)
    with ExitStack() as stack:
        stores = [stack.enter_context(Store.open(each)) for each in directories]
        for store in stores:
            check_same_tvm(store, stores[0])
        new = stack.enter_context(Store.create_or_resume(out, stores[0].settings()))
        check_same_tvm(stores[0], new)
        with new.transaction():
            added = [add_entries(new, store) for store in stores]
    if json_output:
        print_json({"added": sum(added)})
    else:
        print_line(f"{sum(added)} cases added to {out}")


@corpus.command("export")
@source
def export(directory: Path) -> None:
    """Print the cases of a campaign as JSON, one a line."""
    from corpus.exchange import export_lines
    from corpus.store import Store

    with Store.open(directory) as store:
        for line in export_lines(store):
            print_line(line)


@corpus.command("import")
@source
@click.argument("path", metavar="FILE", type=path_type)
@as_json
def import_(directory: Path, path: Path, json_output: bool) -> None:
    """Add the cases of a file to a campaign, or begin one with them.

    FILE may be - for standard input. The campaign's next run judges them first, and keeps what
    reaches something new.
    """
    from corpus.exchange import add_cases
    from corpus.store import Store
    from tzer.cov import tvm_release

    packed = _read(path)
    _check_programs(packed)
    with Store.create_or_resume(directory, {"tvm": tvm_release()}) as store:
        added = add_cases(store, packed)
    if json_output:
        print_json({"cases": len(packed), "added": added})
    else:
        print_line(f"{added} of {len(packed)} cases added to {directory}; tzer fuzz judges them")


def _check_apart(sources: list[Path] | tuple[Path, ...], out: Path) -> None:
    if any(out.exists() and each.exists() and out.samefile(each) for each in sources):
        raise UserError(f"{out} is read and can't be written as well; give another folder with -o")


def _read(path: Path) -> list[PackedCase]:
    from corpus.exchange import MOST_BYTES, read_cases
    from harness.system.files import open_bounded

    if os.fspath(path) == "-":
        return read_cases(sys.stdin.buffer, "standard input")
    try:
        with open_bounded(path, MOST_BYTES) as file:
            return read_cases(file, str(path))
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None


def _check_programs(packed: list[PackedCase]) -> None:
    """Have a child, which may die of it, load each program and check its names and calls."""
    from tzer.in_subprocess import Died, in_subprocess

    if not packed:
        return
    try:
        in_subprocess(lambda: _checked(packed), CHECK_SECONDS + len(packed) // CHECKED_A_SECOND)
    except Died as death:
        why = f"the cases can't be imported: {death}, while it loaded them"
        raise UserError(f"{why}; import them in parts to find which") from None


def _checked(packed: list[PackedCase]) -> str:
    from harness.case import CaseError, load_module
    from harness.ir.untrusted import check_program

    seen: set[bytes] = set()
    for each in packed:
        if each.module in seen:
            continue
        seen.add(each.module)
        try:
            check_program(load_module(each.unpack().module))
        except CaseError as error:
            raise CaseError(f"the case in line {each.line} can't be imported: {error}") from None
    return ""
