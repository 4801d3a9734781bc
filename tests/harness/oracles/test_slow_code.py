"""A case's own passes don't make its program many times slower than the plain build."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from harness.oracles.slow_code import SECONDS, SLOW_CODE
from harness.verdict import Kind
from tests import programs
from tests.harness.oracles.views import CALL, Nothing, after_run


class Slow:
    """Compiled code that takes its time."""

    def run(self, args: Any) -> None:
        time.sleep(2 * SECONDS)


def test_code_that_is_many_times_slower_than_the_plain_build_is_a_finding() -> None:
    found = SLOW_CODE.check(
        replace(after_run(programs.matmul()), executable=Slow(), plain=Nothing())
    )
    assert found is not None
    assert (found.kind, found.signature) == (Kind.SLOW_CODE, f"slow-code|{CALL.name}|")


def test_code_that_is_as_slow_as_the_plain_build_is_fine() -> None:
    view = after_run(programs.matmul())
    assert SLOW_CODE.check(replace(view, executable=Slow(), plain=Slow())) is None
    assert SLOW_CODE.check(replace(view, executable=Nothing(), plain=Nothing())) is None


def test_the_plain_build_is_compared_with_nothing() -> None:
    assert SLOW_CODE.check(replace(after_run(programs.matmul()), executable=Slow())) is None
