"""Work for TVM in a child: it may end in any way, and a bug of ours is never hidden by it."""

from __future__ import annotations

import os
import signal
import time

import pytest
import tvm

from harness.case import Case
from harness.semantics.reference import Invalid
from tzer.in_subprocess import Died, FailedInChild, Refused, in_subprocess
from tzer.triage.source_text import fold


def raising(error: Exception) -> str:
    raise error


def test_what_is_returned_comes_back_whole() -> None:
    assert in_subprocess(lambda: "a\nb\udcff" * 100_000) == "a\nb\udcff" * 100_000


@pytest.mark.parametrize(
    ("end", "words", "number"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV", signal.SIGSEGV),
        (lambda: os._exit(3), "status 3", 0),
        (lambda: time.sleep(60), "not come to an end", signal.SIGALRM),
    ],
)
def test_a_death_says_of_what(end: object, words: str, number: int) -> None:
    assert callable(end)
    with pytest.raises(Died, match=words) as raised:
        in_subprocess(end, 1)
    assert raised.value.signal == number


def test_what_the_case_or_tvm_is_to_blame_for_is_one_line() -> None:
    with pytest.raises(Refused, match="can't load this module"):
        in_subprocess(lambda: str(Case("{}").load()))
    with pytest.raises(Refused, match="of no meaning"):
        in_subprocess(lambda: raising(Invalid("of no meaning\nat all")))
    with pytest.raises(Refused, match="nosuch"):
        in_subprocess(lambda: str(tvm.get_global_func("nosuch")))


def test_a_bug_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(FailedInChild, match=r"in fold(.|\n)*TypeError"):
        in_subprocess(lambda: str(fold("x", "wide")))  # type: ignore[arg-type]


def test_work_that_takes_all_memory_is_refused() -> None:
    with pytest.raises(Refused, match="MemoryError"):
        in_subprocess(lambda: str(bytearray(9 << 30)[0]))
