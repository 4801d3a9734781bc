"""A program that answers requests over its standard input and output, such as a script for Node.

The first request starts it; if it doesn't answer in time, it is ended, and the next request starts
another. channel.mjs is the other end.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.devices.base import Closing
from harness.devices.message import NO_ARRAYS, Expected, message_parts, receive
from harness.system.processes import ends_with_us


class ProgramEnded(Exception):
    """The program ended, or was ended because it did not answer in time; the message says which."""


class DeviceProcess(Closing):
    """A program that answers requests. Not thread-safe."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = list(command)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self.starts = 0  # to detect that a new process lost the state of the last one

    def ask(
        self,
        request: Mapping[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        expected: Expected = NO_ARRAYS,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to a request and its arrays, as bytes.

        Raises:
            ProgramEnded: the program ended, or did not answer in time.
            BadAnswer: the answer is invalid.
        """
        process = self._started()
        self._number += 1
        try:
            deadline = time.monotonic() + timeout_s
            for part in message_parts(request, self._number, arrays):
                _write(process, part, deadline)
            return receive(lambda count: _read(process, count, deadline), self._number, expected)
        except TimeoutError:
            self.close()
            raise ProgramEnded(f"it was not done after {timeout_s:g} s") from None
        except (BrokenPipeError, EOFError):
            self.close()
            raise ProgramEnded("it ended while it ran (out of memory?)") from None
        except BaseException:  # the rest of this message would be read as the start of the next
            self.close()
            raise

    def restart(self) -> None:
        """End the program; the next request starts another."""
        self.close()

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it ended while it was idle
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,  # Ctrl-C must not reach it: this process ends it
                preexec_fn=ends_with_us(memory_limit=False),
            )
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)
            self.starts += 1
        return self._process


def _write(process: subprocess.Popen[bytes], content: memoryview, deadline: float) -> None:
    assert process.stdin is not None
    while len(content):
        left = max(0.0, deadline - time.monotonic())
        _, ready, _ = select.select([], [process.stdin], [], left)
        if not ready:
            raise TimeoutError
        content = content[os.write(process.stdin.fileno(), content[: 1 << 20]) :]


def _read(process: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
    assert process.stdout is not None
    content = bytearray()
    while len(content) < count:
        left = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([process.stdout], [], [], left)
        if not ready:
            raise TimeoutError
        part = os.read(process.stdout.fileno(), min(1 << 20, count - len(content)))
        if not part:
            raise EOFError
        content += part
    return bytes(content)
