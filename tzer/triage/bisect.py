"""Bisection over wheels: which releases of TVM a reproducer shows its bug on.

The reproducer is run by each release's Python, in a process group of its own with a time limit, and
its exit status is taken at its word: 1 the bug shows, 0 it does not, 2 this TVM can't express it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.system.files import write_atomically
from harness.system.text import last_line, printable
from tzer.triage.script_process import run_script, shows
from tzer.triage.wheels import Report, Wheel, WheelError, clean_environment, wheel

SECONDS = 420.0  # a script's own limits are shorter


class WheelOutcome(StrEnum):
    """What a reproducer says on one release."""

    SHOWS = "shows"
    DOES_NOT_SHOW = "does not show"
    CANNOT_EXPRESS = "can't express"
    FAILED = "failed"  # the script itself died, hung, or ended with another status
    NO_WHEEL = "no wheel"


OF_STATUS = {0: WheelOutcome.DOES_NOT_SHOW, 1: WheelOutcome.SHOWS, 2: WheelOutcome.CANNOT_EXPRESS}


@dataclass(frozen=True)
class WheelRun:
    """One reproducer on one release: the outcome, and the last line that it printed."""

    version: str
    outcome: WheelOutcome
    said: str
    ffi: str = ""


@dataclass(frozen=True)
class Bisected:
    """A reproducer on all releases, in their order."""

    reproducer: str
    runs: tuple[WheelRun, ...]

    @property
    def affected(self) -> list[str]:
        """The releases on which the bug shows."""
        return [run.version for run in self.runs if run.outcome is WheelOutcome.SHOWS]

    def summary(self) -> dict[str, Any]:
        """The documented keys of `tzer bisect --json`."""
        return {
            "reproducer": self.reproducer,
            "first": self.affected[0] if self.affected else None,
            "last": self.affected[-1] if self.affected else None,
            "wheels": [
                {
                    "version": run.version,
                    "outcome": str(run.outcome),
                    "said": run.said,
                    "apache_tvm_ffi": run.ffi,
                }
                for run in self.runs
            ],
        }


def bisect(
    reproducers: Sequence[Path],
    versions: Iterable[str],
    folder: Path,
    report: Report,
    seconds: float = SECONDS,
) -> list[Bisected]:
    """Run every reproducer on every release. `report` is called with each step, as one line.

    A release that can't be installed is one of the outcomes, and the rest goes on.

    Raises:
        UserError: a version is not the number of a release.
    """
    runs: dict[Path, list[WheelRun]] = {path: [] for path in reproducers}
    for version in versions:
        try:
            environment = wheel(version, folder, report)
        except WheelError as error:
            report(str(error))
            for found in runs.values():
                found.append(WheelRun(version, WheelOutcome.NO_WHEEL, str(error)))
            continue
        for path, found in runs.items():
            found.append(run_on(environment, path, seconds))
            report(f"apache-tvm {version}: {path.name}: {found[-1].outcome}")
    return [Bisected(str(path), tuple(found)) for path, found in runs.items()]


def bisect_texts(
    scripts: Mapping[str, str],
    versions: Iterable[str],
    folder: Path,
    report: Report,
    seconds: float = SECONDS,
) -> list[Bisected]:
    """`bisect` of scripts that are no files, by the names of what they show."""
    with tempfile.TemporaryDirectory(prefix="tzer-bisect-") as written:
        paths = [Path(written) / f"{name}.py" for name in scripts]
        for path, text in zip(paths, scripts.values(), strict=True):
            write_atomically(path, text.encode("utf-8", "backslashreplace"))
        found = bisect(paths, versions, folder, report, seconds)
    return [replace(each, reproducer=name) for each, name in zip(found, scripts, strict=True)]


def run_on(environment: Wheel, reproducer: Path, seconds: float = SECONDS) -> WheelRun:
    """One reproducer on one release."""
    command = [str(environment.python), "-P", str(reproducer.resolve())]
    status, text = run_script(command, clean_environment(), seconds)
    if status is None:
        return WheelRun(
            environment.version,
            WheelOutcome.FAILED,
            f"no end within {seconds:g} s",
            environment.ffi,
        )
    said = printable(last_line(text))
    outcome = OF_STATUS.get(status, WheelOutcome.FAILED)
    if outcome is WheelOutcome.SHOWS and not shows(status, text):
        outcome = WheelOutcome.FAILED
    if outcome is WheelOutcome.FAILED:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        said = f"the script ended with {how}: {said}"
    return WheelRun(environment.version, outcome, said, environment.ffi)


def table(found: Sequence[Bisected]) -> Iterator[str]:
    """Lines for people: a reproducer each, with its outcome on every release."""
    if not found:
        yield "nothing to run"
        return
    versions = [run.version for run in found[0].runs]
    width = max([len(Path(each.reproducer).name) for each in found] + [10])
    widths = [max(len(version), 13) for version in versions]
    heads = "  ".join(f"{v:{w}}" for v, w in zip(versions, widths, strict=True))
    yield f"{'reproducer':{width}}  {heads}  affected"
    for each in found:
        cells = "  ".join(f"{run.outcome:{w}}" for run, w in zip(each.runs, widths, strict=True))
        yield f"{Path(each.reproducer).name:{width}}  {cells}  {span(each.summary()['wheels'])}"


def span(wheels: Sequence[Mapping[str, Any]]) -> str:
    """The first and the last affected release of these runs, as `summary` has them."""
    shows = [each["version"] for each in wheels if each["outcome"] == WheelOutcome.SHOWS]
    if shows:
        return " to ".join(dict.fromkeys((shows[0], shows[-1])))
    ran = any(each["outcome"] == WheelOutcome.DOES_NOT_SHOW for each in wheels)
    return "none" if ran else "unknown"
