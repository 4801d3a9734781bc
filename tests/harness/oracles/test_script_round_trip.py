"""The TVMScript of a module parses to a program of the same meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tvm
from tvm import s_tir, tirx

from harness.oracles import script_round_trip
from harness.oracles.script_round_trip import SCRIPT_ROUND_TRIP
from harness.verdict import Kind
from seeds.recipe import from_script
from tests import programs
from tests.harness.oracles.views import CALL, after_pass
from tzer.triage.signature import signature_of


def test_a_program_that_is_printed_and_parsed_is_the_same() -> None:
    assert SCRIPT_ROUND_TRIP.check(after_pass(programs.matmul(), programs.matmul())) is None


def test_a_program_that_does_not_parse_is_a_finding_of_its_pass() -> None:
    found = SCRIPT_ROUND_TRIP.check(after_pass(programs.matmul(), programs.dividing_by_zero()))
    assert found is not None
    assert (found.kind, found.pass_name) == (Kind.ROUND_TRIP, CALL.name)
    assert "does not parse" in found.message


def test_where_the_program_itself_does_not_parse_no_pass_is_to_blame() -> None:
    module = programs.dividing_by_zero()
    found = SCRIPT_ROUND_TRIP.check(after_pass(module, module))
    assert found is not None and found.pass_name == ""


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("int4", lambda: tirx.Evaluate(tirx.const(3, "int4"))),
        ("prefetch", lambda: tirx.Evaluate(tirx.call_intrin("int32", "tirx.prefetch", 0, 0, 3, 1))),
    ],
)
def test_what_the_parser_lacks_is_in_the_signature(name: str, written: Callable[[], Any]) -> None:
    """Else each gap of the parser would be taken for the one that is known."""
    module = tvm.IRModule({"main": tirx.PrimFunc([], written())})
    found = SCRIPT_ROUND_TRIP.check(after_pass(programs.matmul(), module))
    assert found is not None and found.signature.endswith(f"module _ has no attribute _|{name}")
    assert signature_of(found).endswith(f"|{name}")


def test_the_label_of_a_lowered_pragma_is_no_variable_that_the_parser_misses() -> None:
    """Passes leave it on purpose, and `well_formed` takes it as well."""
    program = from_script(
        """
def main(A: T.Buffer((4,), "int32")):
    for i in T.unroll(4, annotations={"pragma_unroll_explicit": 1}):
        A[i] = i
"""
    )
    assert (
        SCRIPT_ROUND_TRIP.check(after_pass(program, s_tir.transform.LowerOpaqueBlock()(program)))
        is None
    )


def test_a_program_that_parses_to_another_meaning_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(script_round_trip, "parsed_back", lambda module: shifted(1))
    found = SCRIPT_ROUND_TRIP.check(after_pass(shifted(0), shifted(0)))
    assert found is not None and "means another program" in found.message


def test_a_program_that_parses_to_an_invalid_one_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outside = programs.store_at(lambda i: i + 1)
    monkeypatch.setattr(script_round_trip, "parsed_back", lambda module: outside)
    found = SCRIPT_ROUND_TRIP.check(after_pass(shifted(0), shifted(0)))
    assert found is not None and "invalid" in found.message


def test_a_pass_that_has_changed_the_meaning_is_no_finding_of_the_printer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folded = programs.store_at(lambda i: 1 + (2 - i))
    monkeypatch.setattr(script_round_trip, "parsed_back", lambda module: folded)
    assert SCRIPT_ROUND_TRIP.check(after_pass(shifted(0), shifted(1))) is None


def shifted(by: int) -> Any:
    """target[i] = i or its mirror image."""
    return programs.store_at(lambda i: 3 - i if by else i)


@pytest.mark.parametrize("change", [{"packed": True}, {"index": 1}])
def test_it_looks_after_one_pass_and_before_the_signature_changes(change: dict[str, Any]) -> None:
    view = after_pass(programs.matmul(), programs.dividing_by_zero())
    assert SCRIPT_ROUND_TRIP.check(replace(view, **change)) is None
