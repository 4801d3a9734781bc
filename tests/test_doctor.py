"""The doctor tells what is wrong and how to mend it, and never faints."""

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

HOUSE = Path(__file__).resolve().parent.parent


def well() -> ProbeResult:
    """A probe that finds all in order."""
    return ProbeResult(True, "works", "nothing")


def ill() -> ProbeResult:
    """A probe that finds a fault."""
    return ProbeResult(False, "broken", "mend it so")


def fainting() -> ProbeResult:
    """A probe that breaks."""
    raise RuntimeError("no strength")


@pytest.mark.parametrize(
    ("probe", "needed", "status"),
    [(well, True, 0), (ill, False, 0), (ill, True, 1), (fainting, False, 0), (fainting, True, 1)],
)
def test_only_a_missing_need_makes_the_exit_status_1(
    probe: Callable[[], ProbeResult],
    needed: bool,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert doctor.doctor([DoctorCheck("it", needed, probe)], json_output=False) == status
    assert "it" in capsys.readouterr().out


def test_a_failed_check_says_how_to_mend_it_and_a_good_one_does_not() -> None:
    text = doctor.as_text(
        doctor.examine([DoctorCheck("a", True, well), DoctorCheck("b", True, ill)])
    )
    assert "mend: mend it so" in text
    assert "nothing" not in text


def test_a_probe_that_breaks_is_a_failed_check() -> None:
    (result,) = doctor.examine([DoctorCheck("it", True, fainting)])
    assert not result.ok
    assert "no strength" in result.detail


@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.booleans(), st.booleans(), st.text(), st.text()),
        min_size=1,
    )
)
def test_json_gives_back_every_result_whatever_it_says(
    rows: list[tuple[str, bool, bool, str, str]],
) -> None:
    results = [doctor.Result(*row) for row in rows]
    told = json.loads(doctor.as_json(results))
    assert [doctor.Result(**row) for row in told["checks"]] == results
    assert told["ok"] == doctor.healthy(results)


def test_a_crash_in_a_probed_program_is_survived_and_named() -> None:
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


def test_a_narrow_address_space_is_reported_with_the_command_that_widens_it() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from harness.console import probes; outcome = probes.probe_limits()\n"
        "print(outcome.ok, outcome.detail, outcome.remedy)"
    )
    asked = probes.run_python(program)
    assert asked.detail.startswith("False")
    assert "ulimit -v" in asked.detail


@pytest.mark.parametrize("probe", [probes.probe_python, probes.probe_tvm, probes.probe_tvm_ffi])
def test_what_the_suite_itself_runs_on_is_found_healthy(
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
        cwd=HOUSE,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)
    assert {check["name"] for check in told["checks"]} >= {"tvm", "node", "chromium", "wgpu"}
    assert done.returncode == (0 if told["ok"] else 1)


def test_jitweb_help_names_every_command() -> None:
    told = CliRunner().invoke(jitweb, ["--help"])
    assert told.exit_code == 0
    assert set(jitweb.commands) >= {"tune", "inspect", "verify", "run", "bench", "serve", "doctor"}
    assert all(name in told.output for name in jitweb.commands)


@pytest.mark.parametrize("program", ["import harness.console.doctor", "import jitweb.cli"])
def test_the_doctor_can_be_asked_where_tvm_is_broken(program: str) -> None:
    outcome = probes.run_python(f"{program}\nimport sys; print('tvm' in sys.modules)")
    assert outcome == ProbeResult(True, "False")
