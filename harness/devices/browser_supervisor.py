"""Runs a browser for as long as its own parent process lives.

Usage: `browser_supervisor.py FOLDER COMMAND...`. A separate program, so that however the parent
ends, the browser and all its processes end with it, and FOLDER, its profile, is removed. page.py
starts it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from harness.system.files import remove_folder
from harness.system.processes import ends_with_us

LOOK_SECONDS = 1.0


def main(folder: str, command: list[str]) -> int:
    parent = os.getppid()
    browser = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=ends_with_us(memory_limit=False),
    )
    try:
        while browser.poll() is None and os.getppid() == parent:
            # Standard input ends as soon as the parent closes it or dies.
            if select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
                break
    finally:
        try:
            os.killpg(browser.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = browser.wait()
        remove_folder(Path(folder))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
