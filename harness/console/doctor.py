"""The doctor: reports what works on this machine, and what to install for the rest.

`tzer doctor` and `jitweb doctor` run this module with different lists of checks. A check is data: a
name, whether the tool needs it, and a probe from `probes.py`. To add one, write a probe that
returns a `ProbeResult`, and add one line to `TZER_CHECKS` or `JITWEB_CHECKS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial

from harness.console import probes
from harness.console.probes import ProbeResult
from harness.console.terminal import print_text
from harness.devices.table import DEVICES


@dataclass(frozen=True)
class DoctorCheck:
    """One check. `needed`: the tool doesn't work without it."""

    name: str
    needed: bool
    probe: Callable[[], ProbeResult]


@dataclass(frozen=True)
class Result:
    """A check and its result, as `--json` prints it."""

    name: str
    ok: bool
    needed: bool
    detail: str
    remedy: str


DEVICE_CHECKS: tuple[DoctorCheck, ...] = tuple(
    DoctorCheck(kind.program, False, partial(probes.probe_device, kind))
    for kind in DEVICES
    if kind.program
)

TZER_CHECKS: tuple[DoctorCheck, ...] = (
    DoctorCheck("python", True, probes.probe_python),
    DoctorCheck("tvm", True, probes.probe_tvm),
    DoctorCheck("tvm-ffi", True, probes.probe_tvm_ffi),
    DoctorCheck("native coverage", False, probes.probe_native_coverage),
    DoctorCheck("targets", False, probes.probe_targets),
    DoctorCheck("C compiler", False, probes.probe_c_compiler),
    DoctorCheck("CUDA", False, partial(probes.probe_source_compiler, "cuda", "CUDA")),
    DoctorCheck("OpenCL", False, partial(probes.probe_source_compiler, "opencl", "OpenCL")),
    *DEVICE_CHECKS,
    DoctorCheck("disk", True, probes.probe_disk),
    DoctorCheck("memory", False, probes.probe_memory),
    DoctorCheck("limits", True, probes.probe_limits),
)

JITWEB_CHECKS: tuple[DoctorCheck, ...] = (
    DoctorCheck("python", True, probes.probe_python),
    DoctorCheck("tvm", True, probes.probe_tvm),
    DoctorCheck("tvm-ffi", True, probes.probe_tvm_ffi),
    *DEVICE_CHECKS,
)


# ------------------------------------------------------------------------- running and reporting


def examine(checks: Iterable[DoctorCheck]) -> list[Result]:
    """Run the probes in order. A probe that raises is a failed check, never a traceback."""
    return [_examine_one(check) for check in checks]


def _examine_one(check: DoctorCheck) -> Result:
    try:
        outcome = check.probe()
    except Exception as error:  # the other checks must still run
        outcome = ProbeResult(False, f"the check itself failed: {error!r}")
    remedy = "" if outcome.ok else outcome.remedy
    return Result(check.name, outcome.ok, check.needed, outcome.detail, remedy)


def healthy(results: Iterable[Result]) -> bool:
    """Whether every check that is needed is ok; the others may fail."""
    return all(result.ok or not result.needed for result in results)


def as_json(results: Iterable[Result]) -> str:
    """One JSON value: `{"ok": bool, "checks": [{name, ok, needed, detail, remedy}]}`."""
    listed = list(results)
    return json.dumps({"ok": healthy(listed), "checks": [asdict(r) for r in listed]}, indent=2)


def as_text(results: Iterable[Result]) -> str:
    """A line for each check, followed by the fix if it failed."""
    listed = list(results)
    width = max(len(result.name) for result in listed)
    lines = []
    for result in listed:
        status = "ok     " if result.ok else "FAILED " if result.needed else "missing"
        lines.append(f"{status}  {result.name:<{width}}  {result.detail}")
        if result.remedy:
            lines.append(f"{'':{width + 9}}  fix: {result.remedy}")
    return "\n".join(lines)


def doctor(checks: Iterable[DoctorCheck], *, json_output: bool) -> int:
    """Run the checks and print the results; returns the exit status, 0 if healthy, else 1."""
    results = examine(checks)
    print_text(as_json(results) if json_output else as_text(results))
    return 0 if healthy(results) else 1
