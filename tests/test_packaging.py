"""What a newcomer gets: the package, its commands, and the script that sets a clone up."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import tzer
from harness.console import probes

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("tzer", "jitweb", "corpus", "seeds", "harness")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_every_folder_with_modules_is_a_package() -> None:
    """Otherwise an installation from a wheel would lack it."""
    assert [path for path in MODULES if not (path.parent / "__init__.py").exists()] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("name", sorted(PROJECT["scripts"]))
def test_every_command_of_the_project_can_be_called(name: str) -> None:
    module, function = PROJECT["scripts"][name].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_doctor_knows_the_same_releases_as_the_package() -> None:
    wanted = {line.split(">=")[0]: line for line in PROJECT["dependencies"]}
    oldest, beyond = (".".join(map(str, release)) for release in probes.TVM_RANGE)
    assert wanted["apache-tvm"] == f"apache-tvm>={oldest},<{beyond}"
    below = ".".join(map(str, probes.TVM_FFI_BELOW))
    assert wanted["apache-tvm-ffi"].endswith(f",<{below}")
    assert wanted["apache-tvm"] in probes.PIN_TVM
    assert wanted["apache-tvm-ffi"] in probes.PIN_TVM


def test_the_changelog_has_the_version_of_the_package() -> None:
    assert f"\n## {tzer.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def build(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Do a part of what an installation does, on a copy of the project."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    return subprocess.run(
        [sys.executable, "setup.py", *command.split()],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_an_installation_has_every_file_of_the_packages(tmp_path: Path) -> None:
    done = build("build_py --build-lib built", tmp_path)
    assert done.returncode == 0, done.stderr
    wanted = {
        path.relative_to(tmp_path)
        for package in PACKAGES
        for path in (tmp_path / package).rglob("*.*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    built = tmp_path / "built"
    assert wanted - {path.relative_to(built) for path in built.rglob("*.*")} == set()


@pytest.mark.skipif(
    (sys.platform, os.uname().machine) != ("linux", "x86_64"),
    reason="the extension is for Linux on x86-64 alone",
)
@pytest.mark.skipif(
    not (Path(sysconfig.get_path("include")) / "Python.h").exists() or not shutil.which("cc"),
    reason="no C compiler, or no headers of Python",
)
def test_with_a_compiler_the_extension_is_built(tmp_path: Path) -> None:
    done = build("build_ext --inplace", tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "harness" / "coverage").glob("_native*.so")), done.stderr


def test_without_a_compiler_the_build_goes_on(tmp_path: Path) -> None:
    done = build("build_ext --inplace", tmp_path, CC="false")
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "harness" / "coverage").glob("_native*.so"))


def bootstrap(folder: Path, venv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the bootstrap script of a copy of the project that lies in a folder with a space."""
    clone = folder / "a clone"
    (clone / "scripts").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", clone)
    shutil.copy(ROOT / "scripts" / "bootstrap.sh", clone / "scripts")
    return subprocess.run(
        ["bash", "scripts/bootstrap.sh", venv],
        cwd=clone,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_bootstrap_refuses_a_python_that_does_not_run(tmp_path: Path) -> None:
    done = bootstrap(tmp_path, ".venv", PYTHON="/nowhere/python3")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: PYTHON=/nowhere/python3 does not run, or is older than 3.11"
    ]


def test_bootstrap_names_the_way_out_where_python_has_no_ensurepip(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ImportError('split off')")
    # A prefix that is not Debian's, so that nothing is installed on the machine of the tests.
    (broken / "sitecustomize.py").write_text("import sys; sys.base_prefix = '/elsewhere'")
    done = bootstrap(tmp_path, ".venv", PYTHON=sys.executable, PYTHONPATH=str(broken))
    assert done.returncode == 2
    assert "no ensurepip" in done.stderr
    assert "PYTHON=" in done.stderr


def test_bootstrap_leaves_an_environment_alone_that_it_has_not_made(tmp_path: Path) -> None:
    foreign = tmp_path / "a clone" / "mine" / "precious"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("kept")
    done = bootstrap(tmp_path, "mine", PYTHON=sys.executable)
    assert done.returncode == 2
    assert "move it away" in done.stderr
    assert foreign.read_text() == "kept"


def test_make_alone_lists_what_can_be_made() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"demo", "test", "lint", "clean"} <= {
        line.split()[1] for line in done.stdout.splitlines() if line.startswith("  make ")
    }
