"""Runs work on a finding that may crash TVM in a child process.

A campaign finds programs that crash the compiler. Printing one, or writing it as a script, uses TVM
too, and must not crash the command.
"""

from __future__ import annotations

import json
import os
import resource
import signal as signals
import sys
import traceback
from collections.abc import Callable

from harness import UserError
from harness.system.processes import ends_with_us
from harness.system.text import first_line

SECONDS = 120
MEMORY_BYTES = 8 << 30  # of address space; a program may be small as JSON, and endless as text


class Died(Exception):
    """The child ended without a result, by this signal or, if it is 0, by itself."""

    def __init__(self, message: str, signal: int = 0) -> None:
        super().__init__(message)
        self.signal = signal


class Refused(UserError):
    """The work can't be done, by the case's or by TVM's fault."""


class FailedInChild(Exception):
    """The work raised an exception of our own; the message is its traceback."""


def in_subprocess(work: Callable[[], str], seconds: int = SECONDS) -> str:
    """The result of `work` in a fork of this process, which must have no threads.

    Raises:
        Died: the child was killed by a signal, exceeded the time limit, or ended without a result.
        Refused: the work raised an error of the case or of TVM; the message is its first line.
        FailedInChild: the work raised anything else.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    end_with_us = ends_with_us()
    child = os.fork()
    if child == 0:
        end_with_us()
        signals.signal(signals.SIGALRM, signals.SIG_DFL)
        signals.alarm(seconds)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        os.close(reader)
        status = 1
        try:
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(json.dumps(_answer(work)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signals.SIGALRM:
        raise Died(f"TVM did not come to an end within {seconds} s", signals.SIGALRM)
    if status < 0:
        raise Died(f"TVM died of {signals.Signals(-status).name}", -status)
    if status or not answer:
        raise Died(f"TVM ended the process with status {status}")
    decoded = json.loads(answer)
    if "refused" in decoded:
        raise Refused(decoded["refused"])
    if "traceback" in decoded:
        raise FailedInChild(decoded["traceback"])
    return str(decoded["done"])


def _answer(work: Callable[[], str]) -> dict[str, str]:
    from harness.semantics.reference import Invalid
    from harness.targets.executable import TargetError, raised_by_tvm

    try:
        with raised_by_tvm():
            return {"done": work()}
    except (UserError, Invalid, TargetError, SyntaxError) as error:  # the last: of TVM's printer
        return {"refused": first_line(error)}
    except MemoryError:
        return {"refused": f"it takes more than {MEMORY_BYTES >> 30} GiB of memory"}
    except Exception:
        return {"traceback": traceback.format_exc()}
