"""Every pass leaves a module that TVM saves as JSON and loads as the same module."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import tvm
from tvm import tirx

from harness import passes
from harness.case import Case, module_text
from harness.oracles import json_round_trip
from harness.oracles.json_round_trip import JSON_ROUND_TRIP
from harness.oracles.verify import judge
from harness.verdict import Kind
from tests import programs
from tests.harness.oracles.views import CALL, after_pass


def storing(value: float) -> Any:
    target = tirx.decl_buffer((1,), "float64", "target")
    store = tirx.BufferStore(target, tirx.FloatImm("float64", value), [0])
    function = tirx.PrimFunc([target], store).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


@pytest.mark.parametrize("value", [0.5, -0.0, float("inf"), float("nan"), 5e300])
def test_numbers_of_every_kind_come_back(value: float) -> None:
    assert JSON_ROUND_TRIP.check(after_pass(programs.matmul(), storing(value))) is None


def test_a_module_that_tvm_writes_and_cannot_read_is_a_finding() -> None:
    # TVM's JSON reader refuses subnormal numbers.
    found = JSON_ROUND_TRIP.check(after_pass(programs.matmul(), storing(1e-320)))
    assert found is not None
    assert (found.kind, found.pass_name) == (Kind.ROUND_TRIP, CALL.name)
    assert "does not load" in found.message
    assert found.signature.startswith("round-trip||")  # whichever pass made the module


def test_a_module_that_comes_back_as_another_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_round_trip, "module_text", lambda module: module_text(storing(1.0)))
    found = JSON_ROUND_TRIP.check(after_pass(programs.matmul(), storing(2.0)))
    assert found is not None
    assert (found.kind, found.message) == (
        Kind.ROUND_TRIP,
        "TVM's JSON of the module loads as another module",
    )


def test_what_a_pass_left_as_it_was_is_not_saved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []

    def module_text_of(module: Any) -> str:
        saved.append(module_text(module))
        return saved[-1]

    monkeypatch.setattr(json_round_trip, "module_text", module_text_of)
    order = passes.default_order("llvm")
    module = programs.scaled_sum()
    verdict = judge(Case(module_text(module), order), native=False).verdict
    assert verdict.kind is Kind.OK
    assert len(order) / 2 > len(saved) > 5
    assert all(first != second for first, second in itertools.pairwise(saved))
