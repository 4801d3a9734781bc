"""Values that a kernel uses several times are held in buffers, so that chains stay short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tvm import te, tirx, topi

from harness import compat
from harness.devices.node import NodeDevice
from harness.targets import wasm
from jitweb.kernel_reference import run_function
from jitweb.targets import WasmTarget, WebgpuTarget


def _quantised(x: Any, times: int) -> Any:
    """So many pairs of QuantizeLinear and DequantizeLinear, each with a sum that reads twice."""
    for number in range(times):
        scale = tirx.const(0.25 + number / 16, "float32")
        steps = topi.clip(topi.round(topi.divide(x, scale)), -128.0, 127.0)
        x = topi.add(topi.multiply(steps, scale), topi.multiply(steps, steps))
    return x


def _function(times: int) -> Any:
    x = te.placeholder((5, 32), "float32", name="x")
    return te.create_prim_func([x, _quantised(x, times)])


def _lowered(times: int) -> Any:
    best = WasmTarget().candidates(_function(times), frozenset())[0]
    assert best.family == "rows"
    return wasm.lower(best.build().function).function


def _nodes(times: int) -> int:
    return sum(1 for _ in compat.nodes(_lowered(times).body))


def _characters(times: int) -> int:
    best = WebgpuTarget().candidates(_function(times), frozenset())[0]
    return sum(len(shader.code) for shader in WebgpuTarget().build(best.build()).code)


@pytest.mark.parametrize("size", [_nodes, _characters], ids=["wasm", "webgpu"])
def test_a_chain_of_roundings_grows_by_the_same_with_each_link(size: Callable[[int], int]) -> None:
    sizes = [size(times) for times in (2, 4, 8)]
    assert sizes[2] - sizes[1] < 2.5 * (sizes[1] - sizes[0])


@pytest.mark.parametrize("times", [1, 3])
def test_roundings_are_vectors(times: int) -> None:
    function = _lowered(times)
    roundings = [
        node
        for node in compat.nodes(function.body)
        if isinstance(node, compat.Call) and compat.call_name(node) == "call_llvm_pure_intrin"
    ]
    assert roundings and all(compat.dtype_of(each) == "float32x16" for each in roundings)


def test_an_element_at_a_computed_place_is_that_of_its_own_lane() -> None:
    """What VectorizeLoop makes no vectors of took the last lane's, as in GridSample."""
    x = te.placeholder((2, 6), "float32", name="x")
    at = te.placeholder((2, 4), "float32", name="at")

    def element(row: Any, column: Any) -> Any:
        place = tirx.min(tirx.max(at[row, column], 0.0), 5.0).astype("int32")
        inside = tirx.all(place >= 0, place < 6)
        return te.if_then_else(inside, x[row, place], tirx.const(0, "float32"))

    function = te.create_prim_func([x, at, te.compute((2, 4), element, name="y")])
    target, random = WasmTarget(), np.random.default_rng(0)
    given = [random.standard_normal((2, 6)), 5 * random.random((2, 4))]
    arrays = [each.astype(np.float32) for each in given]
    (wanted,) = run_function(function, arrays)
    best = target.candidates(function, frozenset())[0]
    built = target.build(best.build())
    with NodeDevice() as device:
        launch = built.launch(device.load(built.code), [*arrays, np.zeros_like(wanted)], (2,))
        (found,) = device.run(launch)
    assert best.family == "rows" and np.array_equal(found, wanted)
