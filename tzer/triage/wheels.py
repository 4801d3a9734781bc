"""Wheels: a virtual environment for each release of apache-tvm, made on first use.

They lie in the user's cache and hold the wheel, numpy and what pip brings along, nothing of this
project. One that was interrupted while it was made has no mark of completion and is made anew; a
lock lets only one process make it. The releases are those of the index that pip uses.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import UserError
from harness.console.probes import release_of
from harness.system.files import read_bounded, write_atomically
from harness.system.processes import python_command, run_program
from harness.system.text import first_line, last_line

VERSION = re.compile(r"[0-9]{1,9}(\.[0-9a-z]{1,12}){0,5}")
ALL = "all"
FORMAT = 1  # of an environment: another one is made anew
INSTALL_SECONDS = 1800.0
INDEX_SECONDS = 120.0
LOAD_SECONDS = 120.0
MOST_MARK_BYTES = 4096
COMPLETE = "complete"  # the file that says so, with what was asked for

# What a wheel needs beside what pip chooses, by the first release for which it holds; the last
# matching line counts. Newer releases of apache-tvm-ffi end in a segmentation fault where TVM 0.26
# and 0.27 write JSON (docs/decisions/0001).
PINS: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...] = (
    ((0,), ()),
    ((0, 26), ("apache-tvm-ffi<0.1.15",)),
)

Report = Callable[[str], None]


class WheelError(UserError):
    """A release can't be installed or loaded here; the message says why, and what to do."""


@dataclass(frozen=True)
class Wheel:
    """An environment that is ready: the release, its Python, and the apache-tvm-ffi in it."""

    version: str
    python: Path
    ffi: str


def wheels_folder() -> Path:
    """Where the environments are: $XDG_CACHE_HOME/tzer/wheels, else ~/.cache/tzer/wheels."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    release = "python{}.{}".format(*sys.version_info)
    return Path(cache).expanduser() / "tzer" / "wheels" / release


def released(folder: Path, report: Report) -> list[str]:
    """The releases that pip's index has for this Python and system, the oldest first.

    Where the index can't be read: those whose environments are there.

    Raises:
        WheelError: there are none either.
    """
    try:
        command = [_pip(folder, report), "-m", "pip", "index", "versions", "apache-tvm"]
        done = run_program(command, INDEX_SECONDS)
        listed = re.search(r"Available versions: (.*)", done.stdout)
        reason = last_line(done.stderr) or "pip lists no release"
    except (OSError, subprocess.TimeoutExpired) as error:
        listed, reason = None, str(error)
    if listed:
        found = [each.strip() for each in listed[1].split(",")]
        return in_order(iter(found))
    made = in_order(each.name for each in folder.glob("*") if (each / COMPLETE).is_file())
    if not made:
        raise WheelError(
            f"pip can't list the releases of apache-tvm ({reason}); check the network, or name "
            "releases: --wheels 0.26.0,0.27.0.post1"
        )
    report(f"pip can't list the releases of apache-tvm ({reason}); taking those made before")
    return made


def chosen(names: Sequence[str], folder: Path, report: Report) -> list[str]:
    """The releases of these names, each once; all that `released` lists if there are none, or one
    of them is `ALL`.

    Raises:
        WheelError: there are none.
        UserError: a name is not the number of a release.
    """
    if not names or ALL in names:
        return released(folder, report)
    for name in names:
        _check_version(name)
    return list(dict.fromkeys(names))


def _check_version(version: str) -> None:
    if not VERSION.fullmatch(version):
        raise UserError(f"{version[:40]!r} is not a release of apache-tvm, such as 0.26.0")


def in_order(versions: Iterable[str]) -> list[str]:
    """Those that are releases, each once, the oldest first."""
    return sorted({each for each in versions if VERSION.fullmatch(each)}, key=_order)


def _order(version: str) -> tuple[tuple[int, ...], str]:
    return release_of(version), version


def wheel(version: str, folder: Path, report: Report) -> Wheel:
    """The environment of this release; made now if it is not there.

    Raises:
        WheelError: the release can't be installed, or `import tvm` fails in it.
        UserError: that is not the number of a release.
    """
    _check_version(version)
    return _environment(version, folder, report)


def _environment(version: str, folder: Path, report: Report) -> Wheel:
    place = folder / version
    pins = next(pins for first, pins in reversed(PINS) if release_of(version) >= first)
    wanted = "\n".join([str(FORMAT), f"apache-tvm=={version}", "numpy", *pins])
    with _locked(folder, version, report):
        if not _is_complete(place, wanted):
            report(f"apache-tvm {version}: installing it in {place}, once")
            _make(place, _pip(folder, report), "-m", "venv", "--without-pip")
            _install(version, place, folder, wanted.split("\n")[1:], report)
            write_atomically(place / COMPLETE, wanted.encode())
    python = place / "bin" / "python"
    return Wheel(version, python, _check_import(version, python))


def _is_complete(place: Path, wanted: str) -> bool:
    try:
        mark = read_bounded(place / COMPLETE, MOST_MARK_BYTES).decode()
        return mark == wanted and (place / "bin" / "python").exists()
    except (OSError, ValueError):
        return False


def _make(place: Path, *arguments: str) -> None:
    """An empty environment, in the place of whatever is there."""
    shutil.rmtree(place, ignore_errors=True)
    if reason := _failure([*arguments, str(place)]):
        raise WheelError(
            f"{place} can't be made: {reason}; install what Python's venv needs (Debian: "
            "python3-venv), or set XDG_CACHE_HOME to a folder with room"
        )


def _install(
    version: str, place: Path, folder: Path, requirements: list[str], report: Report
) -> None:
    command = [_pip(folder, report), "-m", "pip", "--python", str(place / "bin" / "python")]
    command += ["install", "-q", "--disable-pip-version-check", "--only-binary=:all:"]
    if reason := _failure([*command, *requirements]):
        shutil.rmtree(place, ignore_errors=True)
        raise WheelError(
            f"apache-tvm {version} can't be installed: {reason.removeprefix('ERROR: ')[:300]}; "
            "check the network, or leave it out: --wheels with other releases"
        )


def _failure(command: list[str]) -> str:
    """Run a program; why it failed, in one line, or "" if it did not."""
    try:
        done = run_program(command, INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return first_line(error)
    if not done.returncode:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    said = last_line(done.stderr) or last_line(done.stdout) or f"status {done.returncode}"
    return errors[0] if errors else said


def _check_import(version: str, python: Path) -> str:
    """The apache-tvm-ffi that `import tvm` loads."""
    program = "import tvm, tvm_ffi; print(tvm_ffi.__version__)"
    try:
        done = run_program([str(python), "-P", "-c", program], LOAD_SECONDS, clean_environment())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WheelError(f"apache-tvm {version} can't be loaded: {error}") from None
    if done.returncode:
        reason = last_line(done.stderr) or f"status {done.returncode}"
        raise WheelError(f"apache-tvm {version} can't be loaded here: {reason}")
    return last_line(done.stdout)


def clean_environment() -> dict[str, str]:
    """The environment variables without those that bring other packages into a Python."""
    own = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in own}


def _pip(folder: Path, report: Report) -> str:
    """A Python with pip, in an environment of its own: that of this process may have none."""
    place = folder / "pip"
    python, wanted = place / "bin" / "python", f"{FORMAT} {sys.executable}"
    if _is_complete(place, wanted):
        return str(python)
    with _locked(folder, "pip", report):
        if not _is_complete(place, wanted):
            _make(place, *python_command("-m", "venv"))
            write_atomically(place / COMPLETE, wanted.encode())
    return str(python)


@contextmanager
def _locked(folder: Path, name: str, report: Report) -> Iterator[None]:
    """Held by one process at a time; the system lets go of it when the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder / f"{name}.lock", how, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            report(f"waiting for another process that works on {folder / name}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
