"""The same passes on the same module return the same module."""

from __future__ import annotations

from harness.oracles.determinism import DETERMINISM
from harness.oracles.oracle import AfterLowering
from harness.passes.build import lower
from harness.verdict import Kind
from tests import programs
from tests.harness.oracles.views import compilation


def test_what_comes_out_again_is_fine() -> None:
    made = compilation(programs.matmul())
    calls, opt_level = made.sequence.calls, made.sequence.opt_level
    lowered = lower(programs.matmul(), calls, opt_level=opt_level)
    assert DETERMINISM.check(AfterLowering(made, lowered)) is None


def test_another_module_is_a_finding() -> None:
    made = compilation(programs.matmul())
    found = DETERMINISM.check(AfterLowering(made, programs.scaled_sum()))
    assert found is not None
    assert (found.kind, found.pass_name) == (Kind.NONDETERMINISM, "")
    assert found.signature == f"nondeterminism|{made.sequence.calls[-1].name}|lowering"
