"""Runs a browser for as long as the program that started this lives.

Usage: `browser_supervisor.py FOLDER COMMAND...`. A program of its own, so that however the program
that started it ends, the browser and all its processes end with it, and FOLDER, its profile, is
removed. page.py starts it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import shutil
import signal
import subprocess
import sys

LOOK_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
# Looked up here: loading a library between fork and exec is not safe.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def end_with_parent() -> None:
    """Runs in the browser's process before the browser itself: it must not outlive even this."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(folder: str, command: list[str]) -> int:
    parent = os.getppid()
    # A worker of the fuzzer has a limit, and browsers reserve many times what they use.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    browser = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=end_with_parent
    )
    try:
        while browser.poll() is None and os.getppid() == parent:
            # Standard input has an end as soon as the other program closes it or is no more.
            if select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
                break
    finally:
        try:
            os.killpg(browser.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = browser.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
