"""`tzer bisect`: on which releases of TVM a reproducer shows its bug."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from harness import UserError
from harness.console.command_line import Duration, Names, NonEmptyPath, as_json
from harness.console.terminal import print_json, print_line


@click.command()
@click.argument(
    "reproducers",
    metavar="REPRODUCER... | DIR [ID]...",
    nargs=-1,
    required=True,
    type=NonEmptyPath(path_type=Path),
)
@click.option(
    "--wheels",
    "wheel_lists",
    type=Names(),
    multiple=True,
    help="Releases of apache-tvm, e.g. 0.26.0,0.27.0.post1. [all: those that pip's index has]",
)
@click.option("--time", "seconds", type=Duration(), help="How long one run may take. [7m]")
@as_json
def bisect(
    reproducers: tuple[Path, ...],
    wheel_lists: tuple[tuple[str, ...], ...],
    seconds: float | None,
    json_output: bool,
) -> None:
    """Find the releases of TVM that a bug shows on, by reproducers.

    Give scripts that tzer repro wrote, or DIR, a campaign's folder, with the IDs of findings.
    Without IDs it takes what tzer triage reported, or, where it reported none, all that are not
    known issues, each minimized where it was. tzer report shows the results, too. Each release gets
    a virtual environment in the cache folder, made on first use (about 300 MB).
    """
    from tzer.triage.bisect import SECONDS, WheelOutcome, bisect_texts, table
    from tzer.triage.bisect import bisect as run_all
    from tzer.triage.folder import keep_wheels
    from tzer.triage.wheels import chosen, wheels_folder

    folder, limit = wheels_folder(), seconds or SECONDS
    first, *rest = dict.fromkeys(reproducers)
    names = [name for names in wheel_lists for name in names]
    if first.is_dir():
        scripts = dict(reproducers_of(first, [str(each) for each in rest]))
        versions = chosen(names, folder, _report) if scripts else []
        found = bisect_texts(scripts, versions, folder, _report, limit)
    else:
        for path in (first, *rest):
            if not path.is_file():
                raise UserError(f"{path} is not a file; name a script that tzer repro wrote")
        found = run_all([first, *rest], chosen(names, folder, _report), folder, _report, limit)
    runs = [run for each in found for run in each.runs]
    if runs and all(run.outcome is WheelOutcome.NO_WHEEL for run in runs):
        raise UserError(runs[0].said)
    if first.is_dir() and found:
        keep_wheels(first, {each.reproducer: each.summary()["wheels"] for each in found})
    if json_output:
        print_json([each.summary() for each in found])
        return
    for line in table(found):
        print_line(line)


def _report(line: str) -> None:
    print_line(line, err=True)


def reproducers_of(directory: Path, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(id, reproducer) of these findings, written anew from their smallest cases: a script that
    lies in a campaign's folder may have come with it, and is not run."""
    from tzer.in_subprocess import Died, in_subprocess
    from tzer.triage.collect import findings_of
    from tzer.triage.folder import read_index, read_kept
    from tzer.triage.reproducer import write_reproducer

    findings, notes = findings_of(directory, ids)
    for note in notes:
        _report(note)
    if not ids:
        reported = {each.id for each in read_index(directory).values() if each.status == "reported"}
        lost = len(reported - {each.id for each in findings})
        if lost:
            _report(f"note: {lost} that triage/index.json reports are not in {directory}: left out")
        findings = [each for each in findings if each.id in reported] or [
            each for each in findings if each.confirmed and each.known is None
        ]
    for finding in findings:
        _report(f"writing the reproducer of {finding.id}")
        shown = read_kept(directory, finding.id, finding.case.digest).smaller or finding
        try:
            text = in_subprocess(partial(write_reproducer, shown.case, shown.verdict))
        except (Died, UserError) as error:
            _report(f"no reproducer of {finding.id}: {error}")
            continue
        yield finding.id, text
