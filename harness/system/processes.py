"""Processes that we start: none outlives us, and Python imports nothing from the current folder.

A folder `harness/` or a `numpy.py` where the user happens to be must not be taken for ours.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
# Looked up here: loading a library between fork and exec is not safe.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def python_command(*arguments: str) -> list[str]:
    """The command of a fresh Python, to be started in `python_environment()`.

    `-P` leaves the current folder, and the folder of a script, out of what it imports from.
    """
    return [sys.executable, "-P", *arguments]


def python_environment(**changes: str) -> dict[str, str]:
    """Environment variables with which `python_command` finds our packages, wherever it starts.

    Entries of PYTHONPATH stay, but for those that stand for the current folder: an empty one is
    most often a slip, as in PYTHONPATH=$PYTHONPATH:/more.
    """
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [os.path.abspath(entry) for entry in named if entry not in ("", os.curdir)]
    if str(ROOT) not in sysconfig.get_paths().values():  # site-packages are found as they are
        path.insert(0, str(ROOT))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), **changes}
    if not path:
        del environment["PYTHONPATH"]
    return environment


def end_with(parent: int) -> None:
    """Have this process killed when the thread of process `parent` that started it ends."""
    if _prctl is None:  # not Linux
        return
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def ends_with_us(*, memory_limit: bool = True) -> Callable[[], None]:
    """What a child calls first, so that it ends with the thread that starts it; a `preexec_fn`.

    Without `memory_limit` the child is free of a limit to its address space: a worker of the fuzzer
    has one, and Node and browsers reserve many times what they use.
    """
    parent = os.getpid()

    def begin() -> None:
        if not memory_limit:
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        end_with(parent)

    return begin


def run_program(
    command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with no input, and return what it printed.

    Raises:
        OSError: it can't be started.
        subprocess.TimeoutExpired: it took longer; it was killed.
    """
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        env=environment,
        preexec_fn=ends_with_us(),
    )
