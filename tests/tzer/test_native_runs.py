"""Which tests are compiled to machine code and run."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import tvm
from tvm import tirx

from harness.ir.shape import shape_of
from tests import programs
from tzer.coverage_map import NO_BLOCKS
from tzer.native_runs import SHARE, NativeRuns, Reason


class BlockMap:
    """Blocks 0 and 1 are of the analyzer, block 2 of a code generator."""

    files = ("src/arith/analyzer.cc", "src/target/llvm/codegen_llvm.cc")
    block_file = np.array([0, 0, 1], np.uint16)


def runs(*shapes: int) -> NativeRuns:
    made = NativeRuns(random.Random(1), shapes)
    block_map: Any = BlockMap()
    made.use_block_map(block_map)
    return made


def blocks(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


def test_a_shape_that_was_not_compiled_is_a_reason_once() -> None:
    made = runs(1, 2)
    assert made.wanted([1, 3], NO_BLOCKS) is Reason.SHAPE
    assert made.wanted([1, 3], NO_BLOCKS) is not Reason.SHAPE
    assert made.shapes() == [1, 2, 3]


def test_a_new_block_is_a_reason_if_it_is_of_a_code_generator() -> None:
    made = runs(1)
    assert made.wanted([1], blocks(1, 2)) is Reason.GENERATOR
    assert made.wanted([1], blocks(0, 1, 99)) is not Reason.GENERATOR


def test_of_all_others_a_fixed_share_is_run() -> None:
    made = runs(1)
    reasons = [made.wanted([1], NO_BLOCKS) for _ in range(4000)]
    assert set(reasons) == {Reason.NONE, Reason.SHARE}
    assert 0.5 * SHARE < reasons.count(Reason.SHARE) / 4000 < 2 * SHARE


def test_the_shape_of_a_module_is_its_kinds_of_nodes_and_dtypes() -> None:
    def storing(value: int, dtype: str = "int32") -> Any:
        target = tirx.decl_buffer((4,), dtype, "target")
        store = tirx.BufferStore(target, tirx.const(value, dtype), [0])
        function = tirx.PrimFunc([target], store).with_attr("global_symbol", "main")
        return tvm.IRModule({"main": function})

    assert shape_of(storing(1)) == shape_of(storing(7))
    assert shape_of(storing(1)) != shape_of(storing(1, "int64"))
    assert shape_of(programs.store_at(lambda i: i)) < shape_of(programs.store_at(lambda i: 3 - i))
