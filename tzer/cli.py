"""The commands of tzer.

Reading commands never import TVM, and everything heavy is imported where it is used: `--help`,
`stats` and `findings` are to answer at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import UserError
from harness.console.command_line import (
    WRONG_USE,
    NonEmptyPath,
    as_json,
    run,
    write_output,
)
from harness.console.terminal import print_json, print_line, print_python, print_text
from harness.system.text import printable
from tzer import __version__
from tzer.bisect_cli import bisect
from tzer.corpus_cli import corpus
from tzer.fuzz_cli import fuzz
from tzer.report_cli import report
from tzer.triage.commands import minimize, triage

if TYPE_CHECKING:
    from corpus.store import Finding, ListedFinding

PAYOFFS_SHOWN = 10


folder = click.argument("directory", metavar="DIR", type=NonEmptyPath(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tzer")
def cli() -> None:
    """Hunt bugs in the low-level compiler of Apache TVM."""


for command in (fuzz, corpus, triage, minimize, bisect, report):
    cli.add_command(command)


@cli.command()
@folder
@as_json
def stats(directory: Path, json_output: bool) -> None:
    """What a campaign has done so far."""
    from corpus.store import Store
    from tzer import payoff
    from tzer.footprint import describe, growth
    from tzer.progress import hours, summary_rows

    with Store.open(directory) as store:
        values, learned = store.stats(), store.learned()
    paid, points = learned.get("payoff", {}), learned.get("memory", [])
    if json_output:
        print_json({**values, **growth(points), "payoff": payoff.as_data(paid)})
        return
    print_line(f"{'time':10} {hours(values['elapsed_s'])}")
    for name, text in summary_rows(values, f"{values['native_blocks_seeds']} by the seeds alone"):
        print_line(f"{name:10} {text}")
    if points:
        print_line(f"{'footprint':10} {describe(points)}")
    for kind in payoff.KINDS:
        for line in payoff.rows(paid, kind, PAYOFFS_SHOWN):
            print_line(line)


@cli.command()
@click.argument("directory", metavar="[DIR]", type=NonEmptyPath(path_type=Path), required=False)
@click.option(
    "--by",
    type=click.Choice(("file", "pass")),
    default="file",
    show_default=True,
    help="Rows by source file of TVM, or by pass.",
)
@click.option("--graph", is_flag=True, help="Print the graph of passes and states for Graphviz.")
@as_json
def cov(directory: Path | None, by: str, graph: bool, json_output: bool) -> None:
    """How much of the compiler a campaign has reached.

    That is basic blocks by source file, or entries by pass (--by pass).
    """
    from corpus.store import Store
    from tzer.cov import by_file, by_pass

    if graph:
        from harness.passes.picture import as_dot

        print_text(as_dot())
        return
    if directory is None:
        raise click.UsageError("name the folder of a campaign, or give --graph")
    with Store.open(directory) as store:
        rows = by_file(store) if by == "file" else by_pass(store)
    if json_output:
        print_json([row.summary() for row in rows])
        return
    for row in rows:
        print_line(str(row))


@cli.command()
@folder
@click.option("--unconfirmed", is_flag=True, help="Also those that no fresh process confirmed.")
@as_json
def findings(directory: Path, unconfirmed: bool, json_output: bool) -> None:
    """What a campaign found, a line each.

    Known issues come last, findings of legal pass orders first.
    """
    from corpus.store import Store
    from tzer.triage.folder import minimized

    with Store.open(directory) as store:
        found = store.findings(unconfirmed=unconfirmed)
    if json_output:
        sizes = minimized(directory)
        print_json([{**each.summary(), "minimized": sizes.get(each.id)} for each in found])
    elif not found:
        print_line("nothing found yet")
    else:
        width = _width()
        for finding in found:
            print_line(_finding_line(finding, width))


def _finding_line(finding: ListedFinding, width: int) -> str:
    order = "legal  " if finding.legal else "illegal"
    message = finding.verdict.message
    if finding.known is not None:
        message = f"[{finding.known.reference}] {message}"
    line = printable(f"{finding.id}  {finding.kind:15} {order} {finding.count:5}x  {message}")
    return line if len(line) <= width else line[: width - 1] + "…"


def _width() -> int:
    """The width of the terminal; unlimited where the output goes to a file or a pipe."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


@cli.command()
@folder
@click.argument("finding_id", metavar="ID")
@click.option("--case", "only_case", is_flag=True, help="Its case alone, for tzer check.")
@as_json
def show(directory: Path, finding_id: str, only_case: bool, json_output: bool) -> None:
    """One finding whole: what happened, the passes and the program."""
    from corpus.store import Store
    from harness.ir.script import full_script
    from tzer.in_subprocess import Died, Refused, in_subprocess
    from tzer.show import describe, everything, folded

    with Store.open(directory) as store:
        finding = store.finding(finding_id)
    if only_case:
        print_text(finding.case.to_json())
        return
    script, reason = None, ""
    try:
        script = in_subprocess(lambda: full_script(finding.case.load()))
    except (Died, Refused) as error:  # the rest can be shown all the same
        reason = f"the program can't be shown: {error}"
    if json_output:
        print_json(everything(finding) | {"script": script})
        return
    for line in folded(describe(finding), _width()):
        print_line(line)
    if script is None:
        print_line(reason)
    else:
        lines = folded(script.split("\n"), _width())
        print_python("\n".join(lines), colored=sys.stdout.isatty())


@cli.command()
@click.argument("path", metavar="CASE", type=NonEmptyPath(path_type=Path))
@as_json
def check(path: Path, json_output: bool) -> None:
    """Judge one case again, as tzer show --case prints it.

    CASE is a file, or - for standard input. The exit status is 0 if the case is fine, 1 if it shows
    a bug, 2 if it is not a valid case.
    """
    from harness.verdict import Kind
    from tzer.check import as_data, describe, judge, read_case
    from tzer.show import folded

    case = read_case(path)
    verdict = judge(case)
    if json_output:
        print_json(as_data(verdict))
    elif verdict.kind is Kind.INVALID:
        raise UserError(f"the case is invalid: {verdict.message}")
    else:
        for line in folded(describe(case, verdict), _width()):
            print_line(line)
    raise SystemExit({Kind.OK: 0, Kind.INVALID: WRONG_USE}.get(verdict.kind, 1))


@cli.command()
@folder
@click.argument("finding_id", metavar="ID")
@click.option("-o", "--output", type=NonEmptyPath(path_type=Path), help="A file, else the output.")
def repro(directory: Path, finding_id: str, output: Path | None) -> None:
    """Write a script that shows a finding with tvm and numpy alone.

    Where a device has to show it, as of a web target, the script needs tzer as well.
    """
    from corpus.store import Store
    from tzer.in_subprocess import Died, in_subprocess

    with Store.open(directory) as store:
        finding = store.finding(finding_id)
    try:
        text = in_subprocess(lambda: _reproducer(finding))
    except Died as death:
        raise click.ClickException(f"no reproducer of {finding.id}: {death}") from None
    if output is None:
        print_text(text.removesuffix("\n"))
        return
    write_output(output, text.encode("utf-8", "backslashreplace"))
    print_line(f"{output}: exits 1 where the bug shows", err=True)


def _reproducer(finding: Finding) -> str:
    from tzer.triage.reproducer import write_reproducer

    return write_reproducer(finding.case, finding.verdict)


@cli.command()
@as_json
def doctor(json_output: bool) -> None:
    """What works on this machine, and what to install for the rest."""
    from harness.console.doctor import TZER_CHECKS
    from harness.console.doctor import doctor as examine

    raise SystemExit(examine(TZER_CHECKS, json_output=json_output))


def main() -> None:
    """Run a command; what the user can fix is one line and exit status 2."""
    run(cli, "tzer")
