"""`tzer bisect`: on which releases of TVM a reproducer shows its bug."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import UserError
from harness.console.command_line import Duration, Names, NonEmptyPath, as_json
from harness.console.terminal import print_json, print_line
from harness.system.files import write_atomically

if TYPE_CHECKING:
    from tzer.triage.bisect import Bisected


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
    help="Releases of apache-tvm, e.g. 0.26.0,0.27.0.post1. [all that pip's index has]",
)
@click.option("--time", "seconds", type=Duration(), help="How long one run may take. [7m]")
@as_json
def bisect(
    reproducers: tuple[Path, ...],
    wheel_lists: tuple[tuple[str, ...], ...],
    seconds: float | None,
    json_output: bool,
) -> None:
    """Run reproducers on several releases of TVM: where does the bug show?

    Of a campaign's folder: those of the findings named, else of all that tzer triage reported, else
    of all that are not known; what comes of them is shown by tzer report, too. Each release gets a
    virtual environment in the cache folder, made on first use (about 300 MB).
    """
    from tzer.triage.bisect import SECONDS, WheelOutcome, table
    from tzer.triage.bisect import bisect as run_all
    from tzer.triage.wheels import released, wheels_folder

    campaign, scripts = None, list(dict.fromkeys(reproducers))
    if scripts[0].is_dir():
        campaign, *ids = scripts
    for path in scripts if campaign is None else ():
        if not path.is_file():
            raise UserError(f"{path} is not a file; name a script that tzer repro wrote")
    folder = wheels_folder()
    versions = list(dict.fromkeys(v for names in wheel_lists for v in names))
    with tempfile.TemporaryDirectory(prefix="tzer-bisect-") as written:
        if campaign is not None:
            scripts = list(_scripts(campaign, [str(each) for each in ids], Path(written)))
        versions = versions or released(folder, _report)
        found = run_all(scripts, versions, folder, _report, seconds or SECONDS)
    runs = [run for each in found for run in each.runs]
    if runs and all(run.outcome is WheelOutcome.NO_WHEEL for run in runs):
        raise UserError(runs[0].said)
    if campaign is not None:
        _keep(campaign, found)
    if json_output:
        print_json([each.summary() for each in found])
        return
    for line in table(found):
        print_line(line)


def _report(line: str) -> None:
    print_line(line, err=True)


def _scripts(campaign: Path, ids: Sequence[str], folder: Path) -> Iterator[Path]:
    """The reproducers of these findings, written anew: one that lies in a campaign's folder may
    have come with it, and is not run."""
    from corpus.store import Store
    from tzer.in_subprocess import Died, in_subprocess
    from tzer.triage.folder import read_index
    from tzer.triage.reproducer import write_reproducer

    with Store.open(campaign) as store:
        reported = [each.id for each in read_index(campaign).values() if each.status == "reported"]
        new = [each.id for each in store.findings() if each.known is None]
        findings = [store.finding(each) for each in ids or reported or new]

    for finding in findings:
        _report(f"writing the reproducer of {finding.id}")
        try:
            text = in_subprocess(partial(write_reproducer, finding.case, finding.verdict))
        except (Died, UserError) as error:
            _report(f"no reproducer of {finding.id}: {error}")
            continue
        path = folder / f"{finding.id}.py"
        write_atomically(path, text.encode(errors="backslashreplace"))
        yield path


def _keep(campaign: Path, found: Sequence[Bisected]) -> None:
    """Write down what came of each finding, for `tzer report`."""
    from tzer.triage.folder import NAME, WHEELS, read_wheels

    known = read_wheels(campaign)
    for each in found:
        known[Path(each.reproducer).stem] = each.summary()["wheels"]
    (campaign / NAME).mkdir(exist_ok=True)
    write_atomically(campaign / NAME / WHEELS, json.dumps(known, indent=1).encode())
