"""Each condition under which a schedule primitive is known to fail ends at a finding of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness import compat
from harness.case import Case, PrimitiveCall, module_text
from harness.oracles.known_issues import known_issue
from harness.oracles.known_primitives import PRIMITIVES
from harness.oracles.verify import judge
from harness.verdict import Kind, Verdict
from tests.harness.oracles.primitive_cases import CASES, LOCAL, Call
from tests.harness.oracles.primitive_programs import over_declared


def found(module: Any, trace: tuple[PrimitiveCall, ...]) -> Verdict:
    return judge(Case(module_text(module), trace=trace), native=False).verdict


ON_OLD_TVM = {name for name in CASES if name.endswith(":wide-regions")}


@pytest.mark.parametrize("name", CASES)
def test_a_known_failure_of_a_primitive_ends_at_it(name: str) -> None:
    verdict = found(*CASES[name])
    if name in ON_OLD_TVM and not compat.CHECKS_WIDTH_OF_EXTENTS:  # but converts them
        assert verdict.kind is Kind.OK, verdict
        return
    assert verdict.is_finding, verdict
    assert verdict.signature.endswith(name), verdict
    issue = known_issue(verdict.kind, verdict.signature)
    assert issue is not None and issue.name == name


def test_each_condition_of_the_table_has_a_case() -> None:
    assert set(CASES) == {name.removeprefix(":") for name, *_ in PRIMITIVES}


def test_a_block_that_declares_more_than_it_stores_is_a_partial_one() -> None:
    verdict = found(over_declared(), (Call("cache_write", ("B", *LOCAL)),))
    issue = known_issue(verdict.kind, verdict.signature)
    assert issue is not None and issue.name == "cache_write:guarded-store"
