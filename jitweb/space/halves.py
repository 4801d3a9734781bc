"""Weights of float16 as GPUs with `shader-f16` read them: the same words, as halves.

A packed weight of float16 has IEEE's own bits, but for a factor of a power of two: so a kernel can
bind its words as array<f16>, and convert an element by one instruction in the place of five, or
multiply in f16. Adapters without the feature have the kernel that cuts words by shifts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from jitweb.small_weights import FLOAT_BITS
from jitweb.space import emit
from jitweb.space.matmul_equations import Matmul

FEATURE = "shader-f16"
# How a kernel uses it: "load" converts to float32 what is loaded; "multiply" rounds the other side
# to float16, multiplies, and adds in float32.
USES = LOAD, MULTIPLY = ("load", "multiply")
PER_WORD = 2
BIAS = 2.0 ** (15 - 127)  # of a float's bits from those of a half, in the exponent


def with_halves(matmul: Matmul, is_short: bool) -> Matmul | None:
    """The matmul with words of float16 as halves, in its left or its right side; None without.

    `is_short`: this side stays float16.
    """
    buffers: dict[Any, Any] = {}
    sides = [_of_halves(side, buffers, is_short) for side in (matmul.left, matmul.right)]
    if not buffers:
        return None
    parameters = [buffers.get(each, each) for each in matmul.system.parameters]
    function = tirx.PrimFunc(parameters, matmul.system.function.body)
    return replace(
        matmul, system=replace(matmul.system, function=function), left=sides[0], right=sides[1]
    )


def _of_halves(side: Any, buffers: dict[Any, Any], is_short: bool) -> Any:
    def replaced(product: Any) -> Any:
        place = _place_of_half(product.a)
        if place is None or not isinstance(product.b, compat.FloatImm):
            return product
        load, number = place
        words = compat.load_buffer(load)
        if words not in buffers:
            shape = (*emit.shape_of(words), PER_WORD)
            buffers[words] = emit.buffer(f"{words.name}_halves", shape, "float16")
        half = emit.load(buffers[words], *load.indices, number)
        dtype = "float16" if is_short else "float32"
        return half.astype(dtype) * tirx.FloatImm(dtype, float(product.b) * BIAS)

    return tvm_ffi.structural_map(side, (tirx.Mul, replaced))


def _place_of_half(value: Any) -> tuple[Any, Any] | None:
    """The load of a word, and the number of the half in it, of what packed_kernels.py makes."""
    if not isinstance(value, compat.Call) or compat.call_name(value) != "reinterpret":
        return None
    cut = value.args[0]
    for operation, wanted in (("BitwiseAnd", FLOAT_BITS), ("RShift", 3), ("LShift", 16)):
        operands = _operands(cut, operation)
        if operands is None or not isinstance(operands[1], compat.IntImm):
            return None
        if int(operands[1]) != wanted:
            return None
        cut = operands[0]
    operands = _operands(cut, "RShift")
    if operands is None or not isinstance(operands[0], compat.BufferLoad):
        return None
    return operands[0], tirx.floordiv(operands[1], emit.constant(16))


def _operands(value: Any, operation: str) -> tuple[Any, ...] | None:
    """The operands of a value that is this operation on bits."""
    return compat.operands(value) if compat.operator_key(value) == operation else None
