"""What the passes leave means what the program does, by the interpreter alone."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
from tvm import tirx
from tvm.script import from_source

from harness.case import Case, module_text
from harness.oracles import verify
from harness.oracles.changed_meaning import CHANGED_MEANING
from harness.oracles.meaning import Unknown, difference
from harness.oracles.oracle import AfterLowering, LoweredForm
from harness.passes import default_order
from harness.semantics.reference import reference_of
from harness.verdict import Kind
from tests import programs
from tests.harness.oracles.views import compilation


def test_the_same_verdict_comes_without_any_code() -> None:
    case = Case(module_text(programs.shifted_inner()))
    interpreted = verify.judge(case, native=False).verdict
    assert (interpreted.kind, interpreted.pass_name) == (
        Kind.WRONG_RESULT,
        "s_tir.CanonicalizeLoop",
    )
    assert interpreted.detail == {"expected": "4", "actual": "3"}
    assert interpreted.signature == verify.verify(case).signature


def test_what_the_interpreter_takes_for_the_same_is_no_finding() -> None:
    made = compilation(programs.store_at(lambda i: 3 - i))
    forms = (LoweredForm("a pass", programs.store_at(lambda i: 3 - i)),)
    assert CHANGED_MEANING.check(AfterLowering(made, forms[0].module, forms)) is None


@pytest.mark.parametrize(
    ("index", "kind", "shows"),
    [
        (lambda i: i, Kind.WRONG_RESULT, "int32"),
        (lambda i: i + 1, Kind.OUT_OF_BOUNDS, "out-of-range"),
        (lambda i: tirx.floordiv(i, i), Kind.WRONG_RESULT, "division-by-zero"),
    ],
)
def test_another_meaning_is_a_finding_of_the_pass_that_left_it(
    index: Any, kind: Kind, shows: str
) -> None:
    made = compilation(programs.store_at(lambda i: 3 - i))
    changed = programs.store_at(index)
    found = CHANGED_MEANING.check(AfterLowering(made, changed, (LoweredForm("a pass", changed),)))
    assert found is not None
    assert (found.kind, found.pass_name) == (kind, "a pass")
    assert found.signature == f"{kind}|a pass|{shows}"


def test_overflow_on_the_way_to_a_result_is_no_difference() -> None:
    reference = reference_of(Case(module_text(programs.store_at(lambda i: i))))
    with pytest.raises(Unknown, match="signed-overflow"):
        difference(programs.store_at(lambda i: (i + 1) * 2147483647 // 2147483647), reference)


def test_a_program_that_cannot_be_interpreted_is_compiled_and_not_run() -> None:
    # It leaves its buffer by far, as only the interpreter could say, which takes twenty loops.
    target = tirx.decl_buffer((1,), "int32", "target")
    body: Any = tirx.BufferStore(target, tirx.const(1, "int32"), [tirx.const(1 << 28, "int32")])
    for number in range(25):
        body = tirx.For(tirx.Var(f"i{number}", "int32"), 0, 1, tirx.ForKind.SERIAL, body)
    function = tirx.PrimFunc([target], body).with_attr("global_symbol", "main")
    case = Case(module_text(tvm.IRModule({"main": function})))
    assert reference_of(case).expectation is None
    assert verify.verify(case).kind is Kind.OK


def test_a_race_is_none_where_the_iterations_of_a_parallel_loop_run_one_by_one() -> None:
    i, target = tirx.Var("i", "int32"), tirx.decl_buffer((1,), "int32", "target")
    body = tirx.BufferStore(target, tirx.const(1, "int32"), [0])

    def looped(kind: Any) -> Any:
        function = tirx.PrimFunc([target], tirx.For(i, 0, 4, kind, body))
        return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})

    reference = reference_of(Case(module_text(looped(tirx.ForKind.SERIAL))))
    parallel = looped(tirx.ForKind.PARALLEL)
    found = difference(parallel, reference)
    assert found is not None and found.shows == "data-race"
    with pytest.raises(Unknown):
        difference(parallel, reference, races=False)


PRIVATE = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4,), "float32")):
        held = T.sblock_alloc_buffer((8,), "float32")
        for i in T.parallel(4):
            for k in range(8):
                held[k] = A[i, k] * T.float32(2)
            B[i] = held[0] + held[7]
"""


def test_an_allocation_that_no_pass_has_placed_is_no_race_of_a_pass() -> None:
    """By PlanAndUpdateBufferAllocationLocation each iteration has its own."""
    text = module_text(from_source(PRIVATE))
    placed = verify.judge(Case(text, tuple(default_order("llvm"))), native=False).verdict
    assert placed.kind is Kind.OK, placed
    found = verify.judge(Case(text), native=False).verdict
    assert found.kind is Kind.INVALID and "no pass has placed it" in found.message


NESTED = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((4, 4, 8), "float32"), B: T.Buffer((4, 4), "float32")):
        for i in T.parallel(4):
            for j in T.{inner}(4):
                with T.sblock("row"):
                    v, w = T.axis.remap("SS", [i, j])
                    held = T.sblock_alloc_buffer((8,), "float32")
                    for k in range(8):
                        held[k] = A[v, w, k] * T.float32(2)
                    B[v, w] = held[0] + held[7]
"""


@pytest.mark.parametrize(("inner", "kind"), [("parallel", Kind.INVALID), ("serial", Kind.OK)])
def test_a_race_of_nested_parallel_loops_is_no_finding(inner: str, kind: Kind) -> None:
    """StorageRewrite allocates once for all iterations of the inner one, which TVM doesn't run."""
    module = from_source(NESTED.format(inner=inner))
    case = Case(module_text(module), tuple(default_order("llvm")))
    found = verify.judge(case, native=False).verdict
    assert found.kind is kind, found
    assert kind is Kind.OK or "a parallel loop inside another one" in found.message
