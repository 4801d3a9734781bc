"""Processes that we start import nothing from the current folder, and none outlives us."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.console import probes
from harness.console.probes import ProbeResult
from harness.devices.browser import BrowserDevice
from harness.devices.wgpu import WgpuDevice
from harness.system.processes import ROOT, python_command, python_environment
from harness.worker.sandbox import Settings, Worker
from tests.harness.gpu import needs_browser

PACKAGES = ("harness", "corpus", "seeds", "tzer", "jitweb")
# Scripts for others, which run without us.
STANDALONE = {"tzer/triage/reproducer_parts.py"}


@pytest.fixture
def hostile_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with modules of the names of ours and others, and PYTHONPATH=$X:$Y."""
    trap = f"open({str(tmp_path / 'trapped')!r}, 'w').write(__name__)\nraise SystemExit(9)\n"
    for name in ("harness", "tests", "tvm"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(trap)
    for name in ("numpy", "json", "wgpu", "site", "ctypes"):
        (tmp_path / f"{name}.py").write_text(trap)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", os.environ.get("PYTHONPATH", ""), "."]))
    return tmp_path


def test_a_worker_starts_in_a_hostile_folder(hostile_folder: Path) -> None:
    with Worker(Settings(handler="tests.harness.handlers:handle")) as worker:
        assert worker.run({"do": "nothing"}).status == "done"
    assert not (hostile_folder / "trapped").exists()


def test_a_probe_runs_in_a_hostile_folder(hostile_folder: Path) -> None:
    program = "import json, numpy, harness.console.doctor as d; print(d.__file__)"
    expected = ProbeResult(True, str(ROOT / "harness/console/doctor.py"))
    assert probes.run_python(program) == expected
    assert not (hostile_folder / "trapped").exists()


def test_the_wgpu_device_starts_in_a_hostile_folder(hostile_folder: Path) -> None:
    with WgpuDevice() as device:
        assert device.fingerprint()["device"] == "wgpu"
    assert not (hostile_folder / "trapped").exists()


def test_a_browser_starts_in_a_hostile_folder(hostile_folder: Path) -> None:
    needs_browser()
    with BrowserDevice("software") as device:
        assert device.fingerprint()["browser"]
    assert not (hostile_folder / "trapped").exists()


def test_every_python_is_started_by_the_one_helper() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    starters = {
        str(path.relative_to(ROOT))
        for path in files
        if re.search(r"\[\s*sys\.executable", path.read_text())
    }
    assert starters == {"harness/system/processes.py"} | STANDALONE


def test_python_path_keeps_what_the_user_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "/opt/tvm/python", "mine", "."]))
    path = python_environment()["PYTHONPATH"].split(os.pathsep)
    assert path == [str(ROOT), "/opt/tvm/python", str(tmp_path / "mine")]


WORKING = """
import os, sys, time
from tzer.in_subprocess import in_subprocess
def work():
    print(os.getpid(), flush=True)
    time.sleep(600)
in_subprocess(work)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_work_in_a_child_ends_with_the_command_that_started_it() -> None:
    with subprocess.Popen(
        python_command("-c", WORKING), env=python_environment(), stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        child = psutil.Process(json.loads(program.stdout.readline()))
        program.kill()
        program.wait()
        _, alive = psutil.wait_procs([child], 10)
        assert all(process.status() == "zombie" for process in alive)


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_a_zygote_ends_with_the_program_that_started_it() -> None:
    program_text = """
from harness.worker.sandbox import Settings, Worker
worker = Worker(Settings(handler="tests.harness.handlers:handle"))
print(worker.zygote_pid, worker.run({"do": "nothing"}).reply["pid"], flush=True)
worker.run({"do": "loop"})
"""
    with subprocess.Popen(
        python_command("-c", program_text), env=python_environment(), stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        found = [psutil.Process(int(pid)) for pid in program.stdout.readline().split()]
        program.kill()
        program.wait()
        _, alive = psutil.wait_procs(found, 10)
        assert all(process.status() == "zombie" for process in alive)
