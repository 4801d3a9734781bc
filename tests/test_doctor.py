"""The doctor reports what is wrong and how to fix it, and survives failing probes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.console import doctor, probes
from harness.console.doctor import DoctorCheck
from harness.console.probes import ProbeResult
from jitweb.cli import cli as jitweb

ROOT = Path(__file__).resolve().parent.parent


def passing() -> ProbeResult:
    """A probe that finds nothing wrong."""
    return ProbeResult(True, "works", "nothing")


def failing() -> ProbeResult:
    """A probe that finds a fault."""
    return ProbeResult(False, "broken", "repair it")


def raising() -> ProbeResult:
    """A probe that raises."""
    raise RuntimeError("the probe is broken")


@pytest.mark.parametrize(
    ("probe", "needed", "status"),
    [
        (passing, True, 0),
        (failing, False, 0),
        (failing, True, 1),
        (raising, False, 0),
        (raising, True, 1),
    ],
)
def test_only_a_failed_check_that_is_needed_makes_the_exit_status_1(
    probe: Callable[[], ProbeResult],
    needed: bool,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert doctor.doctor([DoctorCheck("it", needed, probe)], json_output=False) == status
    assert "it" in capsys.readouterr().out


def test_only_a_failed_check_says_how_to_fix_it() -> None:
    text = doctor.as_text(
        doctor.examine([DoctorCheck("a", True, passing), DoctorCheck("b", True, failing)])
    )
    assert "fix: repair it" in text
    assert "nothing" not in text


def test_a_probe_that_raises_is_a_failed_check() -> None:
    (result,) = doctor.examine([DoctorCheck("it", True, raising)])
    assert not result.ok
    assert "the probe is broken" in result.detail


@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.booleans(), st.booleans(), st.text(), st.text()),
        min_size=1,
    )
)
def test_json_round_trips_every_result(
    rows: list[tuple[str, bool, bool, str, str]],
) -> None:
    results = [doctor.Result(*row) for row in rows]
    report = json.loads(doctor.as_json(results))
    assert [doctor.Result(**row) for row in report["checks"]] == results
    assert report["ok"] == doctor.healthy(results)


def test_a_crash_in_a_probed_program_is_reported_with_its_signal() -> None:
    outcome = probes.run_python("import os; os.abort()")
    assert not outcome.ok
    assert "signal 6" in outcome.detail


def test_probed_programs_do_not_import_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise SystemExit('the wrong harness')")
    monkeypatch.chdir(tmp_path)
    outcome = probes.run_python(
        "import harness.console.doctor; print(harness.console.doctor.__file__)"
    )
    assert outcome == ProbeResult(True, str(Path(doctor.__file__)))


def test_a_compiler_that_does_not_run_is_reported_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc")
    outcome = probes.probe_c_compiler()
    assert not outcome.ok
    assert "/nowhere/cc" in outcome.detail
    assert "CC" in outcome.remedy


def test_a_low_limit_of_address_space_is_reported_with_the_command_that_raises_it() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from harness.console import probes; outcome = probes.probe_limits()\n"
        "print(outcome.ok, outcome.detail, outcome.remedy)"
    )
    result = probes.run_python(program)
    assert result.detail.startswith("False")
    assert "ulimit -v" in result.detail


@pytest.mark.parametrize("probe", [probes.probe_python, probes.probe_tvm, probes.probe_tvm_ffi])
def test_the_environment_of_the_suite_is_healthy(
    probe: Callable[[], ProbeResult],
) -> None:
    assert probe().ok, probe().detail


@pytest.mark.parametrize(
    ("version", "release"),
    [("0.27.0.post1", (0, 27, 0)), ("0.26.0", (0, 26, 0)), ("24.1", (24, 1)), ("", ())],
)
def test_a_version_is_compared_by_its_numbers(version: str, release: tuple[int, ...]) -> None:
    assert probes.release_of(version) == release


def test_jitweb_doctor_prints_one_json_value_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jitweb.cli", "doctor", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)
    assert {check["name"] for check in report["checks"]} >= {"tvm", "node", "chromium", "wgpu"}
    assert done.returncode == (0 if report["ok"] else 1)


def test_jitweb_help_names_every_command() -> None:
    result = CliRunner().invoke(jitweb, ["--help"])
    assert result.exit_code == 0
    assert set(jitweb.commands) >= {"tune", "inspect", "verify", "run", "bench", "serve", "doctor"}
    assert all(name in result.output for name in jitweb.commands)


@pytest.mark.parametrize("program", ["import harness.console.doctor", "import jitweb.cli"])
def test_the_doctor_does_not_import_tvm(program: str) -> None:
    outcome = probes.run_python(f"{program}\nimport sys; print('tvm' in sys.modules)")
    assert outcome == ProbeResult(True, "False")
