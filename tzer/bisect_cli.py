"""`tzer bisect`: on which releases of TVM a reproducer shows its bug."""

from __future__ import annotations

from pathlib import Path

import click

from harness import UserError
from harness.console.command_line import Duration, Names, NonEmptyPath, as_json
from harness.console.terminal import print_json, print_line


@click.command()
@click.argument(
    "reproducers",
    metavar="REPRODUCER...",
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

    Each release gets a virtual environment in the cache folder, made on first use (about 500 MB).
    """
    from tzer.triage.bisect import SECONDS, table
    from tzer.triage.bisect import bisect as run_all
    from tzer.triage.wheels import released, wheels_folder

    for path in reproducers:
        if not path.is_file():
            raise UserError(f"{path} is not a file; name a script that tzer repro wrote")

    def report(line: str) -> None:
        print_line(line, err=True)

    folder = wheels_folder()
    versions = list(dict.fromkeys(v for names in wheel_lists for v in names))
    found = run_all(
        list(dict.fromkeys(reproducers)),
        versions or released(folder, report),
        folder,
        report,
        seconds or SECONDS,
    )
    if json_output:
        print_json([each.summary() for each in found])
        return
    for line in table(found):
        print_line(line)
