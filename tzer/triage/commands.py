"""The commands `tzer triage` and `tzer minimize`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import UserError
from harness.console.command_line import Duration, Names, NonEmptyPath, as_json, write_output
from harness.console.terminal import print_json, print_line, print_text
from harness.system.text import printable

if TYPE_CHECKING:
    from corpus.store import Finding
    from harness.oracles.known_issues import KnownIssue
    from tzer.triage.folder import TriageFolder, Wheels
    from tzer.triage.result import TriageResult
    from tzer.triage.run import TriageReport

jobs_option = click.option("--jobs", type=click.IntRange(min=1), help="Workers. [one a processor]")
known_option = click.option(
    "--known-issues",
    "known_path",
    type=NonEmptyPath(path_type=Path),
    help="A JSON file of issues that are known to you, merged into the table.",
)


@click.command()
@click.argument("directory", metavar="DIR", type=NonEmptyPath(path_type=Path), required=False)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--known", "show_known", is_flag=True, help="Print the known issues, and no more.")
@known_option
@jobs_option
@click.option(
    "--time", "time_s", type=Duration(), help="How long to minimize, e.g. 30m. [no limit]"
)
@click.option(
    "--wheels",
    "wheel_lists",
    type=Names(),
    multiple=True,
    help="Releases to run what is reported on, with commas between, or all; see tzer bisect.",
)
@as_json
def triage(
    directory: Path | None,
    ids: tuple[str, ...],
    show_known: bool,
    known_path: Path | None,
    jobs: int | None,
    time_s: float | None,
    wheel_lists: tuple[tuple[str, ...], ...],
    json_output: bool,
) -> None:
    """Make confirmed, minimized reports of a campaign's findings.

    They are a handful: findings of one cause are one. DIR is a campaign, or a folder of cases, as
    jitweb keeps of the kernels that it found wrong. Each finding is reported, a duplicate, a known
    issue, flaky, or not valid. DIR/triage holds a reproducer and an issue text of each that is
    reported. Run again, it goes on where it ended.
    """
    from tzer.triage.known import as_data, known_issues

    issues = known_issues(known_path)
    if show_known:
        if json_output:
            print_json([as_data(issue) for issue in issues])
        else:
            for line in known_lines(issues):
                print_line(line)
        return
    if directory is None:
        raise click.UsageError("name the folder of a campaign, or give --known")
    from tzer.triage.collect import findings_of
    from tzer.triage.folder import read_wheels, with_files

    releases = _releases(wheel_lists)
    findings, notes = findings_of(directory, ids)
    for note in notes:
        print_line(note, err=True)
    report = _triaged(directory, findings, issues, jobs or os.cpu_count() or 1, time_s, releases)
    results, wheels = [each.result for each in report.examined], read_wheels(directory)
    if json_output:
        print_json([with_files(result, wheels) for result in results])
    elif results or not findings:
        for line in table(results, wheels):
            print_line(line)
    for fault in report.faults:
        print_text(fault.rstrip(), err=True)
        print_line("tzer: this is a bug in tzer; please report it in its issue tracker", err=True)
    if report.interrupted:
        print_line("interrupted; run it again to go on", err=True)
        raise SystemExit(130)


@click.command()
@click.argument("directory", metavar="DIR", type=NonEmptyPath(path_type=Path))
@click.argument("finding_id", metavar="ID")
@click.option("--time", "time_s", type=Duration(), help="How long at most. [1m]")
@click.option(
    "-o",
    "--output",
    type=NonEmptyPath(path_type=Path),
    help="A file for the smallest case, as tzer show --case prints one.",
)
@as_json
def minimize(
    directory: Path, finding_id: str, time_s: float | None, output: Path | None, json_output: bool
) -> None:
    """Print the smallest case that still shows a finding.

    That is the smallest program, and the fewest passes.
    """
    from tzer.triage.collect import findings_of
    from tzer.triage.examine import MINIMIZE_SECONDS, FindingExaminer
    from tzer.triage.folder import TriageFolder

    ((finding,), notes) = findings_of(directory, (finding_id,))
    for note in notes:
        print_line(note, err=True)
    folder, progress = TriageFolder(directory), ProgressLines(1)
    examiner = FindingExaminer(
        folder,
        float("inf"),
        lambda: False,
        progress.step,
        time_s or MINIMIZE_SECONDS,
        insists=True,
    )
    try:
        examined = examiner.examine(finding)
        result, smaller = examined.result, examined.smaller
        if smaller is None:
            raise UserError(f"{finding.id} can't be minimized: {result.status}: {result.reason}")
        progress.done(result)
        script = examiner.script_of(smaller.case)
    finally:
        examiner.close()
        folder.close()
    if output is not None:
        write_output(output, smaller.case.to_json().encode())
    if json_output:
        case = json.loads(smaller.case.to_json())
        print_json({**result.to_data(), "script": script, "case": case})
        return
    print_line(f"target {smaller.case.target}, opt level {smaller.case.opt_level}")
    for call in (*smaller.case.trace, *smaller.case.passes):
        print_line(str(call))
    print_text(script or "TVM can't print the program")


def _triaged(
    directory: Path,
    findings: Sequence[Finding],
    issues: Sequence[KnownIssue],
    jobs: int,
    time_s: float | None,
    releases: Sequence[str],
) -> TriageReport:
    from tzer.cov import tvm_release
    from tzer.interrupt import ended_by_signals
    from tzer.triage.folder import TriageFolder
    from tzer.triage.run import Triage

    release, folder = tvm_release(), TriageFolder(directory)
    deadline = time.monotonic() + (time_s or float("inf"))
    progress = ProgressLines(len(findings))
    run = Triage(folder, issues, release, jobs, deadline, progress.done, progress.step)
    try:
        with ended_by_signals(run.stop):
            report = run.run(findings)
        publish(folder, report, release)  # also what was done before an interrupt
        if releases and report.reproducers and not report.interrupted:
            run_on(releases, directory, report)
            publish(folder, report, release)
        return report
    finally:
        folder.close()


def publish(folder: TriageFolder, report: TriageReport, release: str) -> None:
    """Write the reproducers, the issue texts and the index."""
    from tzer.triage.folder import read_wheels
    from tzer.triage.issue_text import issue_text

    wheels, texts = read_wheels(folder.path.parent), {}
    for each in report.examined:
        result, reproducer = each.result, each.reproducer
        if reproducer is not None and each.smaller is not None:
            runs = wheels.get(result.id, [])
            text = issue_text(result, each.smaller, reproducer, release.split()[0], runs)
            texts[result.id] = (reproducer.script, text)
    folder.publish([each.result for each in report.examined], texts)


def _releases(wheel_lists: Sequence[Sequence[str]]) -> list[str]:
    """The releases that --wheels names; none without it."""
    from tzer.triage.wheels import chosen, wheels_folder

    names = [name for names in wheel_lists for name in names]
    return chosen(names, wheels_folder(), _report_line) if wheel_lists else []


def run_on(releases: Sequence[str], directory: Path, report: TriageReport) -> None:
    """Run the reproducers of what is reported on these releases; what comes of it is kept."""
    from tzer.triage.bisect import bisect_texts
    from tzer.triage.folder import keep_wheels
    from tzer.triage.wheels import wheels_folder

    scripts = {finding_id: made.script for finding_id, made in report.reproducers.items()}
    found = bisect_texts(scripts, releases, wheels_folder(), _report_line)
    keep_wheels(directory, {each.reproducer: each.summary()["wheels"] for each in found})


def _report_line(line: str) -> None:
    print_line(line, err=True)


class ProgressLines:
    """What triage is at, on standard error."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._shown: dict[str, float] = {}

    def done(self, result: TriageResult) -> None:
        self._done += 1
        text = f"[{self._done}/{self._total}] {result.id} {result.kind}: {result.status}"
        if result.before is not None and result.after is not None:
            text += f", {result.before.lines} to {result.after.lines} lines, "
            text += (
                f"{result.before.passes} to {result.after.passes} passes, {result.seconds:.0f} s"
            )
        print_line(text if not result.reason else f"{text}: {result.reason}", err=True)

    def step(self, finding_id: str, text: str) -> None:
        if time.monotonic() - self._shown.get(finding_id, 0.0) > 10:
            self._shown[finding_id] = time.monotonic()
            print_line(f"{finding_id} {text}", err=True)


def table(results: Sequence[TriageResult], wheels: Wheels) -> Iterator[str]:
    """The results for people and pipes, what is to be filed first; the releases on which they show
    where that was tried."""
    from tzer.triage.bisect import span
    from tzer.triage.result import Status

    if not results:
        yield "nothing found yet"
    order = list(Status)
    for result in sorted(results, key=lambda each: order.index(each.status)):
        size = "" if result.after is None else f"{result.after.lines}/{result.after.passes}"
        what = result.reason or result.message
        if result.id in wheels:
            what = f"affected: {span(wheels[result.id])}; {what}"
        yield printable(
            f"{result.id}  {result.status:9}  {result.kind:15} {result.count:5}x  {size:>6}  {what}"
        )


def known_lines(issues: Sequence[KnownIssue]) -> Iterator[str]:
    """The known issues, a line each: name, number, releases, what it is."""
    for issue in issues:
        releases = ",".join(issue.releases)
        yield printable(f"{issue.name:34} {issue.reference:26} {releases:10} {issue.why}")
