"""Values that a kernel uses several times are held in buffers, so that chains stay short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tvm import te, tirx, topi

from harness import compat
from harness.targets import wasm
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
