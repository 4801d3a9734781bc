"""Minimization: each step proposes smaller cases, and what is left shows the same, validly."""

from __future__ import annotations

import pytest
from tvm.ir import GlobalVar, IRModule
from tvm.tirx import Evaluate, IntImm, PrimFunc, Var

from harness.case import Case, PassCall, PrimitiveCall, module_text
from harness.compat import Call
from harness.ir.script import full_script
from harness.oracles.verify import judge
from harness.semantics import Unsupported, compile_program
from harness.verdict import Kind
from seeds.recipe import from_script
from tzer.triage.shape import lines_of, shape_of_program
from tzer.triage.steps import STEPS, ShrinkStep
from tzer.triage.steps.edit import chunks

# Something for each step to leave out or make plainer.
MUCH = """
def main(A: T.Buffer((8, 6), "float64"), B: T.Buffer((8,), "int64"), n: T.int32, c: T.int32):
    T.func_attr({"tirx.noalias": True})
    with T.sblock("root"):
        T.reads()
        T.writes()
        L = T.sblock_alloc_buffer((8, 6), "float64", scope="local")
        M = T.sblock_alloc_buffer((4,), "float32")
        for i, j in T.grid(8, 6):
            with T.sblock("L"):
                vi, vj = T.axis.remap("SS", [i, j])
                T.where(i * 6 + j < 40 and j < 5)
                T.reads(A[vi, vj])
                T.writes(L[vi, vj])
                L[vi, vj] = A[vi, vj] * T.float64(7.5) + T.Select(c > 3, T.float64(1), T.float64(2))
        for i in T.unroll(8, annotations={"pragma_x": 1}):
            with T.sblock("B"):
                vi = T.axis.spatial(8, i)
                T.reads()
                T.writes(B[vi])
                x: T.let[T.int64] = T.Cast("int64", vi * 17 + n)
                if vi < 5:
                    B[vi] = x * T.int64(-300)
                else:
                    B[vi] = x
"""
CASE = Case(
    module_text(from_script(MUCH)),
    (PassCall("s_tir.CanonicalizeLoop"), PassCall("tirx.UnrollLoop", ('{"auto_max_step": 16}',))),
    target="c",
    opt_level=3,
    input_seed=3,
    trace=(PrimitiveCall("split", (("L", 1), (3, 2), True)), PrimitiveCall("unroll", (("B", 0),))),
)
# For steps of which that program has nothing, or nothing before another step.
AXES = """
def main(B: T.Buffer((4,), "int32")):
    for i, j in T.grid(4, 1):
        with T.sblock("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi] = 1
"""
SYMBOLS = """
def main(a: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (n,), "int32")
    for i in range(n):
        A[i] = 1
"""


def case_of(step: ShrinkStep) -> Case:
    """A case of which the step can leave something out."""
    if step.name in ("axes", "symbols"):
        return Case(module_text(from_script({"axes": AXES, "symbols": SYMBOLS}[step.name])))
    if step.name == "functions":
        main = CASE.load()["main"]
        both = {name: main.with_attr("global_symbol", name) for name in ("main", "other")}
        return Case(module_text(IRModule(both)))
    return CASE if step.name != "lowered" else Case(CASE.module, CASE.passes[:1])


FEW = 5


def candidates(step: ShrinkStep, case: Case) -> list[Case]:
    """The first few of a step's candidates, and the last one."""
    found, edits = [], step.edits(case)
    for edit in [*edits[:FEW], *edits[FEW:][-1:]]:
        try:
            candidate = edit()
        except Exception:
            continue  # as the worker does
        found += [] if candidate is None else [candidate]
    return found


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_proposes_valid_cases_in_the_same_order(step: ShrinkStep) -> None:
    case = case_of(step)
    found = candidates(step, case)
    assert case not in found and found == candidates(step, case)
    for each in found:
        each.load()
    verdicts = (judge(each, native=False, plain=False, oracles=()).verdict for each in found)
    # What TVMScript says of this program is the program itself.
    assert step.name == "as-parsed" or any(each.kind is not Kind.INVALID for each in verdicts)


def test_chunks_are_all_then_halves_then_each() -> None:
    assert list(chunks(4)) == [(0, 4), (0, 2), (2, 4), (0, 1), (1, 2), (2, 3), (3, 4)]
    assert list(chunks(0)) == [] and list(chunks(1)) == [(0, 1)]


def test_lines_are_counted_without_header_decorators_and_signature() -> None:
    script = full_script(from_script("def main(A: T.Buffer((4,), 'int32')):\n    A[0] = 1"))
    assert "@T.prim_func" in script and lines_of(script) == 1


def test_the_shape_of_a_program_is_what_is_unusual_in_it() -> None:
    assert shape_of_program(CASE.load()) == [
        "And", "Bind", "Cast", "GT", "IfThenElse", "LT", "Mul", "Select", "float64", "int64",
        "unrolled",
    ]  # fmt: skip


def test_a_function_that_is_called_keeps_its_parameters() -> None:
    (main, called) = (CASE.load()["main"].with_attr("global_symbol", n) for n in ("main", "other"))
    (step,) = (step for step in STEPS if step.name == "parameters")
    alone = Case(module_text(IRModule({"main": main})))
    both = Case(module_text(IRModule({"main": main, "other": called})))
    assert len(step.edits(both)) == len(step.edits(alone)) > 0


def test_a_call_with_too_many_arguments_is_no_fault_of_ours() -> None:
    x = Var("x", "int32")
    callee = PrimFunc([x], Evaluate(0)).with_attr("global_symbol", "callee")
    call = Call(GlobalVar("callee"), [IntImm("int32", 1)] * 2, ret_ty="int32")
    main = PrimFunc([], Evaluate(call)).with_attr("global_symbol", "main")
    with pytest.raises(Unsupported, match="another number of arguments"):
        compile_program(IRModule({"callee": callee, "main": main}))
