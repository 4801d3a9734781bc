"""`tzer report`: a campaign as one HTML file, or as a page that follows it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import UserError
from harness.console.command_line import NonEmptyPath, write_output
from harness.console.terminal import print_line
from harness.system.files import write_atomically

if TYPE_CHECKING:
    from tzer.report.programs import Programs

EVERY_SECONDS = 3.0


@click.command()
@click.argument("directory", metavar="DIR", type=NonEmptyPath(path_type=Path))
@click.option(
    "-o", "--output", type=NonEmptyPath(path_type=Path), help="The file. [DIR/report.html]"
)
@click.option("--watch", is_flag=True, help="Serve a page that follows the campaign, until Ctrl-C.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where --watch serves the page. [any]"
)
def report(directory: Path, output: Path | None, watch: bool, port: int) -> None:
    """Write what a campaign did and found as one HTML file.

    It needs no network. A campaign may be running meanwhile.
    """
    from tzer.report.page import render

    programs: dict[str, Programs] = {}
    if watch:
        _watch(directory, programs, port)
        return
    if output is None:
        output = directory / "report.html"
        # A campaign's folder may be somebody else's: a link leads anywhere, a pipe waits for ever.
        if output.is_symlink() or (output.exists() and not output.is_file()):
            raise UserError(f"{output} is not a regular file; name another with -o")
    write_output(output, render(_data(directory, programs, live=False)))
    print_line(f"{output}: open it in a browser", err=True)


def _data(directory: Path, programs: dict[str, Programs], *, live: bool) -> dict[str, Any]:
    """The page's data; programs that are not yet in `programs` are added to it."""
    from corpus.store import Store
    from tzer.report.collect import collect, whole_findings
    from tzer.report.kept import keep_programs, read_programs
    from tzer.report.programs import programs as print_programs

    with Store.open(directory) as store:
        findings = whole_findings(store)
        if not programs:
            programs |= read_programs(directory, findings)
        missing = [each for each in findings if each.id not in programs]
        if missing:
            print_line(f"printing the programs of {len(missing)} findings", err=True)
        for finding_id, texts in print_programs(missing):
            programs[finding_id] = texts
        if missing:
            keep_programs(directory, findings, programs)
        return collect(store, programs, findings, live=live)


def _watch(directory: Path, programs: dict[str, Programs], port: int) -> None:
    """Serve the live page on this machine until Ctrl-C."""
    import tempfile

    from harness.devices.page_server import PageServer
    from tzer.report.page import render

    data = _data(directory, programs, live=True)
    with tempfile.TemporaryDirectory(prefix="tzer-report-") as folder:
        page = Path(folder) / "report.html"
        write_atomically(page, render(data))
        server = PageServer({}, port=port, first_page=page)
        try:
            server.state = data
            print_line(f"{server.address}  (Ctrl-C ends it)", err=True)
            while True:
                time.sleep(EVERY_SECONDS)
                server.state = _data(directory, programs, live=True)
        except KeyboardInterrupt:
            pass
        finally:
            server.close()
