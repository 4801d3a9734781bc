"""Statements, blocks, vectors and memory behave as TVM's headers document them."""

from __future__ import annotations

import numpy as np

from tests.semantics.helpers import array, run


def ints(*values: int) -> np.ndarray:
    return array(values, "int32")


def test_a_loop_starts_at_its_minimum_and_takes_its_step() -> None:
    program = """
    def main(A: T.Buffer((8,), "int32")):
        for i in range(1, 8, 3):
            A[i] = i
    """
    assert run(program, ints(*[0] * 8))[0].tolist() == [0, 1, 0, 0, 4, 0, 0, 7]


def test_a_loop_of_negative_extent_does_nothing() -> None:
    program = """
    def main(A: T.Buffer((2,), "int32"), n: T.int32):
        for i in range(n):
            A[i] = 1
    """
    assert run(program, ints(0, 0), -3)[0].tolist() == [0, 0]


def test_while_break_and_continue() -> None:
    program = """
    def main(A: T.Buffer((10,), "int32"), B: T.Buffer((1,), "int32")):
        B[0] = 0
        while B[0] < 10:
            B[0] = B[0] + 1
            if B[0] == 3:
                T.continue_loop()
            if B[0] == 6:
                T.break_loop()
            A[B[0]] = 1
    """
    values, last = run(program, ints(*[0] * 10), ints(0))
    assert values.tolist() == [0, 1, 1, 0, 1, 1, 0, 0, 0, 0] and last[0] == 6


def test_a_binding_is_evaluated_once() -> None:
    program = """
    def main(A: T.Buffer((1,), "int32")):
        x: T.let[T.int32] = A[0]
        A[0] = x + 1
        A[0] = x + 1
    """
    assert run(program, ints(1))[0][0] == 2


def test_an_early_return_ends_the_function() -> None:
    program = """
    def main(A: T.Buffer((2,), "int32"), x: T.int32):
        A[0] = 1
        if x > 0:
            return 0
        A[1] = 1
    """
    assert run(program, ints(0, 0), 1)[0].tolist() == [1, 0]
    assert run(program, ints(0, 0), 0)[0].tolist() == [1, 1]


def test_init_runs_when_the_reduction_axes_are_at_their_minimum() -> None:
    program = """
    def main(A: T.Buffer((3, 4), "int32"), B: T.Buffer((3,), "int32")):
        for i, k in T.grid(3, 4):
            with T.sblock("sum"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    B[vi] = 100
                B[vi] = B[vi] + A[vi, vk]
    """
    values = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert run(program, values, ints(7, 7, 7))[1].tolist() == (100 + values.sum(1)).tolist()


def test_a_block_predicate_skips_iterations() -> None:
    program = """
    def main(A: T.Buffer((7,), "int32")):
        for i, j in T.grid(2, 4):
            with T.sblock("write"):
                v = T.axis.spatial(7, i * 4 + j)
                T.where(i * 4 + j < 7)
                A[v] = v
    """
    assert run(program, ints(*[0] * 7))[0].tolist() == list(range(7))


def test_a_match_buffer_is_a_view_of_its_source() -> None:
    program = """
    def main(A: T.Buffer((4, 6), "int32")):
        for i in range(2):
            with T.sblock("window"):
                v = T.axis.spatial(2, i)
                T.reads()
                T.writes(A[v * 2:v * 2 + 2, 3:6])
                W = T.match_buffer(A[v * 2:v * 2 + 2, 3:6], (2, 3), "int32", offset_factor=1,
                                   strides=[6, 1])
                for p, q in T.grid(2, 3):
                    W[p, q] = p * 10 + q
    """
    expected = np.zeros((4, 6), np.int32)
    expected[:, 3:] = [[0, 1, 2], [10, 11, 12]] * 2
    assert (run(program, np.zeros((4, 6), np.int32))[0] == expected).all()


def test_a_declared_buffer_is_another_view_of_the_same_memory() -> None:
    program = """
    def main(A: T.Buffer((2, 6), "int32")):
        B = T.decl_buffer((3, 2), "int32", data=A.data, elem_offset=6, strides=[1, 3])
        for i, j in T.grid(3, 2):
            B[i, j] = i * 10 + j
    """
    result = run(program, np.zeros((2, 6), np.int32))[0]
    assert result.tolist() == [[0] * 6, [0, 10, 20, 1, 11, 21]]


def test_memory_accessed_as_two_dtypes_keeps_its_bits() -> None:
    program = """
    def main(A: T.Buffer((2,), "float32"), B: T.Buffer((2,), "int32")):
        bits = T.decl_buffer((2,), "int32", data=A.data)
        for i in range(2):
            B[i] = bits[i]
            bits[i] = 1073741824
    """
    values, bits = run(program, array([1.0, -2.0], "float32"), ints(0, 0))
    assert bits.tolist() == [0x3F800000, -0x40000000] and values.tolist() == [2.0, 2.0]


def test_vector_loads_and_stores() -> None:
    program = """
    def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32")):
        B[T.Ramp(0, 2, 4)] = A[T.Ramp(7, -1, 4)] + T.Broadcast(100, 4)
        B[1] = T.Shuffle([A[T.Ramp(0, 1, 2)], A[T.Ramp(4, 1, 2)]], [2])
    """
    result = run(program, np.arange(8, dtype=np.int32), ints(*[0] * 8))[1]
    assert result.tolist() == [107, 4, 106, 0, 105, 0, 104, 0]


def test_a_vector_store_reads_all_lanes_before_it_writes() -> None:
    program = """
    def main(A: T.Buffer((5,), "int32")):
        A[T.Ramp(1, 1, 4)] = A[T.Ramp(0, 1, 4)]
    """
    assert run(program, ints(0, 1, 2, 3, 4))[0].tolist() == [0, 0, 1, 2, 3]


def test_a_buffer_of_vectors_holds_them_side_by_side() -> None:
    program = """
    def main(A: T.Buffer((8,), "float32")):
        V = T.decl_buffer((2,), "float32x4", data=A.data)
        V[0] = V[1] * T.Broadcast(T.float32(2), 4)
    """
    result = run(program, np.arange(8, dtype=np.float32))[0]
    assert result.tolist() == [8.0, 10.0, 12.0, 14.0, 4.0, 5.0, 6.0, 7.0]


def test_thread_loops_are_loops() -> None:
    program = """
    def main(A: T.Buffer((6,), "int32")):
        for b in T.thread_binding(2, "blockIdx.x"):
            for t in T.thread_binding(3, "threadIdx.x"):
                A[b * 3 + t] = b * 10 + t
    """
    assert run(program, ints(*[0] * 6))[0].tolist() == [0, 1, 2, 10, 11, 12]


def test_thread_extents_are_loops() -> None:
    program = """
    def main(A: T.Buffer((6,), "int32")):
        b = T.launch_thread("blockIdx.x", 2)
        t = T.launch_thread("threadIdx.x", 3)
        A[b * 3 + t] = b * 10 + t
    """
    assert run(program, ints(*[0] * 6))[0].tolist() == [0, 1, 2, 10, 11, 12]


def test_functions_of_the_module_may_be_called() -> None:
    program = """
    def main(A: T.Buffer((3,), "int32"), B: T.Buffer((3,), "int32")):
        for i in range(2):
            Module.add(A.data, B.data, i + 1)
    def add(a: T.handle("int32"), b: T.handle("int32"), n: T.int32):
        X = T.decl_buffer((3,), "int32", data=a)
        Y = T.decl_buffer((3,), "int32", data=b)
        for i in range(3):
            Y[i] = Y[i] + X[i] * n
    """
    assert run(program, ints(1, 2, 3), ints(0, 0, 0))[1].tolist() == [3, 6, 9]


def test_each_operation_is_rounded_to_its_own_dtype() -> None:
    program = """
    def main(A: T.Buffer((2,), "float32"), B: T.Buffer((1,), "float32")):
        B[0] = A[0] + A[1] - A[0]
    """
    # In float32 16777216 + 1 is 16777216; in float64 it is not.
    result = run(program, array([16777216.0, 1.0], "float32"), array([5.0], "float32"))[1]
    assert result[0] == 0.0


def test_bfloat16_and_bool_buffers() -> None:
    program = """
    def main(A: T.Buffer((3,), "bfloat16"), B: T.Buffer((3,), "bool")):
        for i in range(3):
            B[i] = A[i] > T.bfloat16(0)
            A[i] = A[i] * T.bfloat16(1.5)
    """
    values, truth = run(program, array([1.0, -2.0, 0.0], "bfloat16"), array([0, 0, 1], "bool"))
    assert values.astype(float).tolist() == [1.5, -3.0, 0.0]
    assert truth.tolist() == [True, False, False]
