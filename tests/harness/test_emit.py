"""The direct emitter: what it makes runs in V8 as the interpreter says, and as LLVM's code does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import tirx

from harness.case import Case, module_text
from harness.devices.base import Launch
from harness.devices.node import NodeDevice
from harness.oracles.verify import verify
from harness.targets import wasm
from harness.targets.wasm import WasmOptions, build_object, link_alone, lower, lower_directly
from harness.verdict import Kind
from harness.wasm.emit.module import emit
from harness.wasm.emit.opcodes import VECTOR
from harness.wasm.emit.program import NotCovered
from seeds.generator import generate_compact

SCALARS = (
    "float32", "float32", "int32", "int32", "int8", "uint8", "int16", "uint16", "int64", "float64",
    "bool", "uint32", "uint64",
)  # fmt: skip
FROM_TVM = frozenset({Kind.INTERNAL_ERROR})  # by its passes, before ours begins

MATMUL = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((9, 16), "float32"), B: T.Buffer((16, 8), "float32"),
             C: T.Buffer((9, 8), "float32")):
        for i in T.parallel(9):
            total = T.alloc_buffer((8,), "float32", scope="local")
            for j in T.vectorized(8):
                total[j] = T.float32(0)
            for k in range(16):
                for j in T.vectorized(8):
                    total[j] = total[j] + A[i, k] * B[k, j]
            for j in T.vectorized(8):
                C[i, j] = total[j]
"""

ROWS = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((13,), "float32"), B: T.Buffer((13,), "float32")):
        for i in T.parallel(13):
            B[i] = A[i] * T.float32(2)
"""

# Values that are read, kept, and overwritten before they are used.
KEPT = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((16,), "int32"), B: T.Buffer((16,), "int32")):
        table = T.alloc_buffer((16,), "int32", scope="local")
        for i in range(16):
            table[i] = A[i]
        for i in range(8):
            first: T.int32 = table[i]
            table[i] = table[15 - i]
            table[15 - i] = first
        for i in range(16):
            B[i] = table[table[i] % 16] - A[0] + table[0]
            A[0] = A[0] + i
"""

# As many rows as memory says, perhaps none; a division that only some rows may do.
BRANCHES = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((16,), "int32"), B: T.Buffer((16,), "int32")):
        for i in range(16):
            B[i] = T.if_then_else(A[i] != 0, 1000 // A[i], -1)
            for j in range(A[i]):
                B[i] = B[i] + j
            if A[i] > 2:
                B[i] = B[i] * 3
            else:
                while B[i] > 100:
                    B[i] = B[i] - 7
"""

UNCOVERED = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
        for i in range(16):
            B[i] = T.erf(A[i])
"""


def function(source: str) -> Any:
    return tvm.script.from_source(source)["main"]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeDevice]:
    with NodeDevice() as device:
        yield device


def run(node: NodeDevice, code: Any, arrays: list[np.ndarray], rows: int) -> list[np.ndarray]:
    handle = node.load(link_alone(code, wasm.C_MATHS))
    try:
        writes = tuple(range(len(arrays)))
        return list(node.run(Launch(handle, "kernel", tuple(arrays), writes, (0, rows))))
    finally:
        node.release(handle)


@pytest.mark.parametrize("seed", range(4))
def test_generated_programs_mean_what_the_interpreter_says(seed: int) -> None:
    covered = 0
    for number in range(12 * seed, 12 * (seed + 1)):
        module = generate_compact(random.Random(number), SCALARS)
        case = Case(module_text(module), target="wasm-direct", input_seed=number)
        found = verify(case)
        assert found.kind in FROM_TVM | {Kind.OK, Kind.INVALID}, (number, found)
        covered += found.kind is Kind.OK
    assert covered >= 4


@pytest.mark.parametrize("source", [MATMUL, KEPT, BRANCHES], ids=["matmul", "kept", "branches"])
def test_what_is_emitted_computes_what_llvm_s_code_does(node: NodeDevice, source: str) -> None:
    emitted = emit("kernel", lower_directly(function(source)), relaxed=False)
    lowered, rows, _ = lower(function(source))
    assert (emitted.rows, emitted.scratch) == (rows, ())
    rng = np.random.default_rng(3)
    arrays = [
        np.asarray(rng.integers(0, 9, tuple(map(int, each.ty.shape)))).astype(str(each.ty.dtype))
        for each in function(source).params
    ]
    found = run(node, emitted.code, arrays, rows)
    built = build_object({"kernel": lowered}, WasmOptions(relaxed=False))
    for ours, theirs in zip(found, run(node, built, arrays, rows), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_one_source_has_multiply_adds_that_are_relaxed_or_plain(node: NodeDevice) -> None:
    lowered = lower_directly(function(MATMUL))
    arrays = [np.full(shape, 0.5, np.float32) for shape in ((9, 16), (16, 8), (9, 8))]
    for relaxed in (True, False):
        code, _, _ = emit("kernel", lowered, relaxed=relaxed)
        assert (VECTOR["f32"]["relaxed_madd"] in code.code) is relaxed
        assert (VECTOR["f32"]["mul"] in code.code) is not relaxed
        assert run(node, code, arrays, 9)[2].tolist() == [[4.0] * 8] * 9


def test_a_call_may_do_any_of_the_rows(node: NodeDevice) -> None:
    emitted = emit("kernel", lower_directly(function(ROWS)), relaxed=True)
    assert emitted.rows == 13
    handle = node.load(link_alone(emitted.code))
    arrays = (np.arange(13, dtype=np.float32), np.zeros(13, np.float32))
    for begin, end in ((5, 9), (9, 9), (12, 13)):
        (result,) = node.run(Launch(handle, "kernel", arrays, (1,), (begin, end)))
        expected = [2.0 * row if begin <= row < end else 0 for row in range(13)]
        assert result.tolist() == expected
    node.release(handle)


def test_accumulators_stay_in_locals_and_addresses_are_added_up_outside() -> None:
    code = emit("kernel", lower_directly(function(MATMUL)), relaxed=True).code
    assert code.frame == 0
    stores = code.code.count(b"\xfd\x0b\x00")  # v128.store without an offset, and with one
    assert stores == 2


def test_what_is_not_covered_is_refused_by_its_name() -> None:
    with pytest.raises(NotCovered, match="erf"):
        emit("kernel", lower_directly(function(UNCOVERED)), relaxed=False)


def test_an_expression_that_is_too_deep_is_refused() -> None:
    buffer = tirx.decl_buffer((1,), "float32", "a")
    deep = tirx.BufferLoad(buffer, [0])
    for _ in range(3000):
        deep = deep + tirx.FloatImm("float32", 1.0)
    with pytest.raises(NotCovered, match="deep"):
        store = tirx.BufferStore(buffer, deep, [0])
        emit("kernel", tirx.PrimFunc([buffer], store), relaxed=False)


def test_what_the_emitter_does_not_cover_is_no_finding() -> None:
    module = tvm.script.from_source(UNCOVERED)
    found = verify(Case(module_text(module), target="wasm-direct"))
    assert found.kind is Kind.INVALID and "erf" in found.message
