"""The commands of tzer.

Reading commands never import TVM, and everything heavy is imported where it is used: `--help`,
`stats` and `findings` are to answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import UserError
from harness.console.command_line import (
    WRONG_USE,
    Duration,
    Names,
    NonEmptyPath,
    as_json,
    run,
    write_output,
)
from harness.console.terminal import print_json, print_line, print_python, print_text
from harness.system.text import printable
from harness.targets.table import NAMES, TRICKLE
from tzer import __version__
from tzer.bisect_cli import bisect
from tzer.corpus_cli import corpus
from tzer.options import DEFAULT_TOLERANCE, CampaignOptions, Strategy
from tzer.report_cli import report
from tzer.triage.commands import minimize, triage

if TYPE_CHECKING:
    from corpus.store import Finding, ListedFinding, Store
    from tzer.ray_cluster import RayCluster

DEFAULT_TIME = "10m"
PAYOFFS_SHOWN = 10
DEFAULT_TARGETS = ("llvm",)


folder = click.argument("directory", metavar="DIR", type=NonEmptyPath(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tzer")
def cli() -> None:
    """Hunt bugs in the low-level compiler of Apache TVM."""


cli.add_command(corpus)
cli.add_command(triage)
cli.add_command(minimize)


@cli.command()
@click.option("--time", "time_s", type=Duration(), help=f"How long, e.g. 8h. [{DEFAULT_TIME}]")
@click.option("--tests", type=click.IntRange(min=1), help="How many tests instead.")
@click.option("--jobs", type=click.IntRange(min=1), help="Workers. [one a processor]")
@click.option("--ray", "ray_address", metavar="ADDRESS", help="Workers on this Ray cluster.")
@click.option(
    "--out",
    type=NonEmptyPath(path_type=Path),
    default=Path("campaign"),
    show_default=True,
    help="The campaign's folder; the same one again resumes it.",
)
@click.option(
    "--target",
    "target_lists",
    type=Names(),
    multiple=True,
    help=f"Code generators: {', '.join(NAMES)}. [llvm, and now and then {', '.join(TRICKLE)}]",
)
@click.option(
    "--scope",
    "scope_lists",
    type=Names(),
    multiple=True,
    help="Source groups that coverage counts in.",
)
@click.option("--seed", type=int, help="Makes the campaign's choices repeatable.")
@click.option(
    "--strategy", type=click.Choice([*map(str, Strategy)]), default="joint", show_default=True
)
@click.option(
    "--tolerance",
    type=click.IntRange(min=1),
    default=DEFAULT_TOLERANCE,
    show_default=True,
    help="Fruitless mutations of a program in a row before its passes have their turn.",
)
@as_json
def fuzz(
    time_s: float | None,
    tests: int | None,
    jobs: int | None,
    ray_address: str | None,
    out: Path,
    target_lists: tuple[tuple[str, ...], ...],
    scope_lists: tuple[tuple[str, ...], ...],
    seed: int | None,
    strategy: str,
    tolerance: int,
    json_output: bool,
) -> None:
    """Run a campaign, or go on with one.

    Ends when its time is over or at Ctrl-C, with everything kept. The exit status is 0 then,
    whether or not anything was found: finding is what a campaign is for.
    """
    from corpus.store import Store
    from harness.coverage.scope import DEFAULT_GROUPS, resolve_scope
    from tzer.cov import tvm_release
    from tzer.progress import progress_view

    if time_s is None and tests is None:
        time_s = Duration().convert(DEFAULT_TIME, None, None)
    targets, scope = _joined(target_lists), _joined(scope_lists) or DEFAULT_GROUPS
    trickle: tuple[str, ...] = ()
    if not target_lists:
        targets, trickle = DEFAULT_TARGETS, _available(TRICKLE)
    _check_targets(targets)
    cluster = None if ray_address is None else _cluster(ray_address)
    options = CampaignOptions(
        time_s,
        tests,
        jobs or (os.cpu_count() if cluster is None else cluster.processors()) or 1,
        out,
        targets,
        resolve_scope(scope),
        seed,
        Strategy(strategy),
        tolerance,
        trickle,
    )
    release = tvm_release()
    settings = {
        "tvm": release,
        "strategy": strategy,
        "targets": targets,
        "scope": scope,
        "seed": seed,
    }
    with Store.create_or_resume(out, settings) as store:
        before = store.settings()
        if before.get("tvm") != release:
            # Its coverage is of another library, whose blocks have other numbers.
            found = before.get("tvm", "unknown")
            raise UserError(
                f"the campaign in {out} is of TVM {found}, this is {release}; give another --out"
            )
        print_changes(out, before, settings)
        with progress_view(options, store) as show_progress:

            def on_progress(stats: dict[str, Any]) -> None:
                store.check_place()
                show_progress(stats)

            stats = _campaign(options, store, on_progress, cluster)
        print_faults(store, stats)
        if json_output:
            print_json(stats)
        else:
            _print_end(out, store, stats)


def print_changes(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Say where a resumed campaign goes on otherwise than it began."""
    for name, option in (("targets", "--target"), ("scope", "--scope"), ("strategy", "--strategy")):
        old, new = (
            ",".join([value] if isinstance(value, str) else value)
            for value in (before.get(name, now[name]), now[name])
        )
        if old != new:
            note = f"note: {out} began with {option} {old}, and goes on with {new}"
            print_line(note, err=True)


def _campaign(
    options: CampaignOptions,
    store: Store,
    on_progress: Callable[[dict[str, Any]], None],
    cluster: RayCluster | None,
) -> dict[str, Any]:
    from tzer.campaign import run_campaign

    if cluster is not None:
        return run_campaign(options, store, on_progress, cluster.worker)
    return run_campaign(options, store, on_progress)


def _cluster(address: str) -> RayCluster:
    """A connection to the Ray cluster, which is closed when the command ends."""
    from tzer.ray_cluster import RayCluster

    return click.get_current_context().with_resource(closing(RayCluster(address)))


def _joined(lists: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """All names, each once, in their order."""
    return tuple(dict.fromkeys(name for names in lists for name in names))


def _check_targets(targets: tuple[str, ...]) -> None:
    """Refuse an unknown target, or one that can't work here, before anything is started."""
    from harness.targets import get_target

    if not targets:
        raise UserError("--target names no target; try --target llvm")
    for name in targets:
        reason = get_target(name).available()
        if reason is not None:
            raise UserError(f"target {name}: {reason}")


def _available(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the targets that work here."""
    from harness.targets import get_target

    return tuple(name for name in names if get_target(name).available() is None)


def print_faults(store: Store, stats: dict[str, Any]) -> None:
    """The exceptions of our own code that workers have met: bugs of ours, for our developers."""
    if not stats["faults"]:
        return
    for traceback in store.progress().get("faults", {}).values():
        print_text(traceback.rstrip(), err=True)
    print_line(
        f"tzer: {stats['faults']} jobs ended by an error of tzer itself; please report it in the "
        "issue tracker of the project, with the traceback above",
        err=True,
    )


def _print_end(out: Path, store: Store, stats: dict[str, Any]) -> None:
    findings = store.findings()
    done = f"{stats['tests']} tests, {stats['native_blocks']} blocks"
    known = sum(finding.known is not None for finding in findings)
    print_line(f"{done}, {len(findings) - known} findings and {known} known issues in {out}")
    if findings:
        first = findings[0].id
        print_line(f"tzer findings {out} lists them; tzer show {out} {first} shows the first")


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
@click.option("--by", type=click.Choice(("file", "pass")), default="file", show_default=True)
@click.option("--graph", is_flag=True, help="Print the graph of passes and states for Graphviz.")
@as_json
def cov(directory: Path | None, by: str, graph: bool, json_output: bool) -> None:
    """How much of the compiler a campaign has reached: blocks by file, or entries by pass."""
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
    """What a campaign found: known issues last, legal pass orders first."""
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
    """Judge one case: a file, or - for standard input, as tzer show --case prints it.

    The exit status is 0 if the case is fine, 1 if it shows a bug, 2 if it is not a valid case.
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
    """Write a script that shows a finding and needs only tvm and numpy.

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


cli.add_command(bisect)
cli.add_command(report)


def main() -> None:
    """Run a command; what the user can fix is one line and exit status 2."""
    run(cli, "tzer")
