"""Scripts in a process group of their own: whatever they start ends with them.

A reproducer starts a child that may crash, hang or take all memory; so may the script itself.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from harness.system.processes import ends_with_us

MEMORY_BYTES = 16 << 30  # of address space
MOST_OUTPUT = 1 << 20  # bytes that are read back, the last ones
LEAST_SPACE = 1 << 20  # bytes on the disk, without which a script fails for a reason of its own
EVERY_SECONDS = 0.2  # how often `stopped` is asked
SHOWS = 1  # the exit status of a reproducer


def shows(status: int | None, printed: str) -> bool:
    """Whether a reproducer that ended so shows its bug: it says what came, too, since an exception
    that nobody caught ends a Python with the same status."""
    return status == SHOWS and any(line.startswith("came:") for line in printed.splitlines())


def run_script(
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[int | None, str]:
    """The exit status, and what was printed; no process is left behind.

    The status is None if it took more than so many `seconds`, or `stopped` said to end it.

    Raises:
        OSError: it can't be started, or the temporary folder can't be written, or is full.
    """
    limited = _limited(ends_with_us())
    with (
        tempfile.TemporaryDirectory(prefix="tzer-script-") as folder,
        open(Path(folder) / "output", "w+b") as output,
    ):
        _check_space(output)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment, "TMPDIR": folder},  # what it leaves there goes, too
            start_new_session=True,
            preexec_fn=limited,
        )
        try:
            status = _waited_for(process, time.monotonic() + seconds, stopped)
        finally:
            _end_group(process)
        output.seek(max(0, output.seek(0, os.SEEK_END) - MOST_OUTPUT))
        return status, output.read().decode(errors="replace")


def _check_space(file: BinaryIO) -> None:
    try:
        os.posix_fallocate(file.fileno(), 0, LEAST_SPACE)
    except OSError as error:
        error.filename = file.name
        raise
    file.truncate(0)


def _waited_for(
    process: subprocess.Popen[bytes], deadline: float, stopped: Callable[[], bool]
) -> int | None:
    while (left := deadline - time.monotonic()) > 0 and not stopped():
        try:
            return process.wait(min(left, EVERY_SECONDS))
        except subprocess.TimeoutExpired:
            continue
    return None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _limited(begin: Callable[[], None]) -> Callable[[], None]:
    """What the process does first: `begin`, then limits to its memory, and no core files."""

    def limited() -> None:
        begin()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return limited
