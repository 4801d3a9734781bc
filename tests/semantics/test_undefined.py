"""All undefined behaviour of TIR is reported with its kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
from tvm import tirx

from harness.semantics import (
    AssertFailed,
    StepLimit,
    UndefinedBehaviour,
    Unsupported,
    compile_program,
)
from tests.semantics.helpers import array, module, run, undefined

INT_MAX = 2**31 - 1


def zeros(size: int, dtype: str = "int32") -> np.ndarray:
    return array([0] * size, dtype)


def test_signed_overflow() -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.int32):
        A[0] = x + 1
    """
    assert run(program, zeros(1), 41)[0][0] == 42
    assert undefined(program, zeros(1), INT_MAX) == "signed-overflow"


def test_overflow_in_an_index_is_overflow() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32"), x: T.int32):
        A[x * x % 4] = 1
    """
    assert undefined(program, zeros(4), 70000) == "signed-overflow"


@pytest.mark.parametrize("operation", ["//", "%"])
def test_division_by_zero(operation: str) -> None:
    program = f"""
    def main(A: T.Buffer((1,), "int32"), x: T.int32):
        A[0] = 7 {operation} x
    """
    assert undefined(program, zeros(1), 0) == "division-by-zero"


def test_the_smallest_integer_by_minus_one() -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.int32, y: T.int32):
        A[0] = T.truncdiv(x, y)
    """
    assert undefined(program, zeros(1), -INT_MAX - 1, -1) == "signed-overflow"
    assert run(program, zeros(1), -7, 2)[0][0] == -3


@pytest.mark.parametrize("index", [-1, 4])
def test_index_out_of_range(index: int) -> None:
    load = """
    def main(A: T.Buffer((4,), "int32"), B: T.Buffer((1,), "int32"), x: T.int32):
        B[0] = A[x]
    """
    store = """
    def main(A: T.Buffer((4,), "int32"), x: T.int32):
        A[x] = 1
    """
    assert undefined(load, zeros(4), zeros(1), index) == "out-of-range"
    assert undefined(store, zeros(4), index) == "out-of-range"


def test_each_dimension_is_checked_separately() -> None:
    program = """
    def main(A: T.Buffer((2, 3), "int32"), x: T.int32):
        A[0, x] = 1
    """
    # Element 3 of the memory exists: it is A[1, 0].
    assert undefined(program, zeros(6).reshape(2, 3), 3) == "out-of-range"


def test_if_then_else_guards_its_branches_and_select_does_not() -> None:
    guarded = """
    def main(A: T.Buffer((4,), "int32"), B: T.Buffer((4,), "int32")):
        for i in range(4):
            B[i] = T.if_then_else(i > 0, A[i - 1], 9)
    """
    selected = guarded.replace("T.if_then_else", "T.Select")
    assert run(guarded, array([1, 2, 3, 4], "int32"), zeros(4))[1].tolist() == [9, 1, 2, 3]
    assert undefined(selected, zeros(4), zeros(4)) == "out-of-range"


def test_both_operands_of_a_conjunction_are_evaluated() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32"), B: T.Buffer((1,), "int32"), i: T.int32):
        if i > 0 and A[i - 1] > 0:
            B[0] = 1
    """
    assert undefined(program, zeros(4), zeros(1), 0) == "out-of-range"


def test_unwritten_read() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32"), n: T.int32):
        B = T.alloc_buffer((4,), "int32")
        for i in range(n):
            B[i] = i
        for i in range(4):
            A[i] = B[i]
    """
    assert run(program, zeros(4), 4)[0].tolist() == [0, 1, 2, 3]
    assert undefined(program, zeros(4), 3) == "unwritten-read"


@pytest.mark.parametrize("kind", ["parallel", "vectorized"])
def test_two_iterations_that_write_one_element_race(kind: str) -> None:
    program = f"""
    def main(A: T.Buffer((4,), "int32"), B: T.Buffer((1,), "int32")):
        for i in T.{kind}(4):
            B[0] = A[i]
    """
    assert undefined(program, zeros(4), zeros(1)) == "data-race"
    assert run(program.replace(f"T.{kind}(4)", "range(4)"), zeros(4), zeros(1)) is not None


def test_a_read_races_with_a_later_write_and_vice_versa() -> None:
    program = """
    def main(A: T.Buffer((5,), "int32"), B: T.Buffer((5,), "int32")):
        for i in T.parallel(4):
            A[i] = A[i + 1]
    """
    assert undefined(program, zeros(5), zeros(5)) == "data-race"
    backwards = program.replace("A[i] = A[i + 1]", "A[i + 1] = A[i]")
    assert undefined(backwards, zeros(5), zeros(5)) == "data-race"


def test_a_parallel_reduction_races_and_iterations_on_separate_elements_do_not() -> None:
    reduction = """
    def main(A: T.Buffer((3, 4), "int32"), B: T.Buffer((3,), "int32")):
        for i in range(3):
            for k in T.parallel(4):
                B[i] = B[i] + A[i, k]
    """
    rows = reduction.replace("i in range(3)", "i in T.parallel(3)").replace(
        "k in T.parallel(4)", "k in range(4)"
    )
    ones = np.ones((3, 4), np.int32)
    assert undefined(reduction, ones, zeros(3)) == "data-race"
    assert run(rows, ones, zeros(3))[1].tolist() == [4, 4, 4]


def test_successive_executions_of_a_concurrent_loop_do_not_race() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32")):
        for k in range(3):
            for i in T.parallel(4):
                A[i] = A[i] + 1
        for i in T.parallel(3):
            A[i] = A[i] * 2
    """
    assert run(program, zeros(4))[0].tolist() == [6, 6, 6, 3]


def test_a_nested_concurrent_loop_races_with_the_outer_one() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32")):
        for i in T.parallel(2):
            for j in T.vectorized(4):
                A[j] = i
    """
    assert undefined(program, zeros(4)) == "data-race"


def test_a_scratch_buffer_used_in_one_concurrent_loop_is_private_to_its_iterations() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32"), B: T.Buffer((4,), "int32")):
        with T.sblock("root"):
            C = T.sblock_alloc_buffer((1,), "int32")
            for i in T.parallel(4):
                C[0] = A[i] + 1
                B[i] = C[0] * C[0]
    """
    assert run(program, array([0, 1, 2, 3], "int32"), zeros(4))[1].tolist() == [1, 4, 9, 16]


def test_lanes_of_a_vector_store_must_differ() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32")):
        A[T.Broadcast(0, 4)] = T.Ramp(0, 1, 4)
    """
    assert undefined(program, zeros(4)) == "data-race"


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e9, -3e9])
def test_bad_cast(value: float) -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.float32):
        A[0] = T.Cast("int32", x)
    """
    assert undefined(program, zeros(1), np.float32(value)) == "bad-cast"


@pytest.mark.parametrize("amount", [-1, 32])
def test_bad_shift(amount: int) -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.int32):
        A[0] = T.shift_left(1, x)
    """
    assert undefined(program, zeros(1), amount) == "bad-shift"
    assert run(program, zeros(1), 4)[0][0] == 16


def test_a_left_shift_out_of_a_signed_dtype_is_overflow() -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.int32):
        A[0] = T.shift_left(x, 1)
    """
    assert undefined(program, zeros(1), 1 << 30) == "signed-overflow"


def test_leading_zeros_of_zero() -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.int32):
        A[0] = T.clz(x)
    """
    assert undefined(program, zeros(1), 0) == "bad-argument"


def test_false_assumption() -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.int32):
        T.evaluate(T.assume(x > 0))
        A[0] = x
    """
    assert run(program, zeros(1), 1)[0][0] == 1
    assert undefined(program, zeros(1), 0) == "false-assume"


def test_a_block_axis_must_stay_in_its_domain() -> None:
    program = """
    def main(A: T.Buffer((9,), "int32"), n: T.int32):
        for i in range(n):
            with T.sblock("write"):
                v = T.axis.spatial(8, i)
                A[v] = 1
    """
    assert run(program, zeros(9), 8)[0].sum() == 8
    assert undefined(program, zeros(9), 9) == "block-domain"


@pytest.mark.parametrize(
    "reads, writes, fault",
    [
        ("A[v]", "B[v]", None),
        ("A[0:8]", "B[0:8]", None),
        ("A[0:4]", "B[v]", "undeclared-access"),
        ("A[v]", "B[0]", "undeclared-access"),
        ("", "B[v]", "undeclared-access"),
    ],
)
def test_a_block_may_access_only_what_it_declares(
    reads: str, writes: str, fault: str | None
) -> None:
    program = f"""
    def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
        for i in range(8):
            with T.sblock("copy"):
                v = T.axis.spatial(8, i)
                T.reads({reads})
                T.writes({writes})
                B[v] = A[v]
    """
    values = np.arange(8, dtype=np.int32)
    if fault is None:
        assert run(program, values, zeros(8))[1].tolist() == values.tolist()
    else:
        assert undefined(program, values, zeros(8)) == fault


def test_what_a_declared_region_loads_is_not_an_access() -> None:
    """It may lie under a guard, or in a buffer that a schedule has replaced: nothing reads it."""
    program = """
    def main(A: T.Buffer((8,), "int32"), I: T.Buffer((4,), "int32"), B: T.Buffer((8,), "int32")):
        for i in range(8):
            with T.sblock("take"):
                v = T.axis.spatial(8, i)
                T.reads(A[I[v]], I[0:4])
                T.writes(B[v])
                B[v] = T.if_then_else(v < 4, A[I[v]], 0)
    """
    chosen = np.array([3, 1, 2, 0], np.int32)
    got = run(program, np.arange(8, dtype=np.int32), chosen, zeros(8))[2]
    assert got.tolist() == [3, 1, 2, 0, 0, 0, 0, 0]


def test_a_pipeline_of_iterations_that_run_at_once_is_not_interpreted() -> None:
    program = """
    def main(A: T.Buffer((8,), "int32")):
        for i in T.vectorized(8, annotations={"software_pipeline_stage": [0, 1]}):
            A[i] = i
    """
    with pytest.raises(Unsupported, match="pipeline"):
        run(program, zeros(8))


def test_a_false_assertion_is_a_defined_error() -> None:
    program = """
    def main(A: T.Buffer((1,), "int32"), x: T.int32):
        assert x > 0, "x must be positive"
        A[0] = x
    """
    with pytest.raises(AssertFailed, match="x must be positive"):
        run(program, zeros(1), 0)


def test_an_endless_loop_ends_at_the_step_limit() -> None:
    program = compile_program(
        module("""
    def main(A: T.Buffer((1,), "int32")):
        while A[0] == 0:
            A[0] = 0
    """)
    )
    with pytest.raises(StepLimit):
        program.run([zeros(1)], step_limit=1000)


def test_a_program_that_fails_does_not_change_its_arguments() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32"), x: T.int32):
        A[0] = 7
        A[x] = 1
    """
    values = zeros(4)
    assert undefined(program, values, 9) == "out-of-range"
    assert values.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "statement, named",
    [
        ('T.evaluate(T.call_extern("int32", "f"))', "call_extern"),
        ('T.evaluate(T.tvm_storage_sync("shared"))', "tvm_storage_sync"),
        ("A[0] = T.undef()", "undef"),
    ],
)
def test_an_unsupported_construct_is_rejected_with_its_name(statement: str, named: str) -> None:
    text = f"""
    def main(A: T.Buffer((1,), "int32")):
        {statement}
    """
    with pytest.raises(Unsupported, match=named):
        compile_program(module(text))


def test_names_in_the_program_never_become_code() -> None:
    hostile = "x', print('executed')) or ('"
    buffer = tirx.decl_buffer((2,), "int32", hostile)
    index = tirx.Var("{1/0}'\"\n", "int32")
    function = tirx.PrimFunc([buffer, index], tirx.BufferStore(buffer, 1, [index]))
    program = compile_program(tvm.IRModule({"main": function}))
    assert "print" not in program.source.replace("x___print", "")
    with pytest.raises(UndefinedBehaviour, match="x___print__executed"):
        program.run([zeros(2), np.int32(5)])


def test_a_division_by_the_constant_zero_is_reported_when_it_is_executed() -> None:
    zero = tirx.Var("zero", "int32")
    target = tirx.decl_buffer((1,), "int32", "target")
    divide = tirx.FloorDiv(tirx.const(7, "int32"), tirx.Let(zero, tirx.const(0, "int32"), zero))
    store = tirx.IfThenElse(tirx.Var("n", "int32") > 0, tirx.BufferStore(target, divide, [0]), None)
    function = tirx.PrimFunc([target, store.condition.a], store)
    program = compile_program(tvm.IRModule({"main": function}))
    program.run([zeros(1), np.int32(0)])
    with pytest.raises(UndefinedBehaviour, match="division by zero"):
        program.run([zeros(1), np.int32(1)])


def test_a_very_long_sum_compiles() -> None:
    total: Any = tirx.Var("n", "int32")
    n = total
    for _ in range(250):
        total = tirx.Add(total, n)
    target = tirx.decl_buffer((1,), "int32", "target")
    function = tirx.PrimFunc([target, n], tirx.BufferStore(target, total, [0]))
    assert run(tvm.IRModule({"main": function}), zeros(1), 2)[0][0] == 502


def test_a_call_with_an_argument_of_another_dtype() -> None:
    program = """
    def main(A: T.Buffer((4,), "int32"), n: T.int32):
        Module.put(A.data, n)
    def put(a: T.handle("int32"), n: T.int64):
        A = T.decl_buffer((4,), "int32", data=a)
        A[n] = 1
    """
    assert undefined(program, zeros(4), 2) == "bad-argument"
