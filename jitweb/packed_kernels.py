"""Kernels that take weights of fewer than 32 bits as they lie in the bundle.

A kernel reads a weight in float32. Where the weight has a smaller form that is as exact, the kernel
gets the packed arrays in its place, and an equation more, which says how a float is made of them.
The families substitute it into what reads the weight: a gather converts only the rows that it
takes, a matmul a panel or a vector at a time. A weight stays in float32 where only the plain kernel
would be left, as that has no place to convert it but a copy of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tvm import te, tirx

from harness import compat
from harness.devices.shader import LEAST_LIMITS
from harness.ir.rewrite import substitute
from jitweb.errors import NotEquations
from jitweb.onnx.graph import nothing
from jitweb.relax_graph import GraphValue, KernelCall, KernelGraph
from jitweb.small_weights import BRAIN, FLOAT, FLOAT_BITS, LEAST, Form, Packed, Quantized, pack
from jitweb.space import emit
from jitweb.space.equations import loads
from jitweb.space.matmul_equations import Matmul, longest_last, read_matmul, uses
from jitweb.space.wasm import wasm_candidates
from jitweb.space.webgpu import webgpu_candidates

WHOLE_BITS = 0x4B000000  # of 2^23 in float32
LOWEST = -126  # the exponent of float32's least normal numbers
MOST_BUFFERS = LEAST_LIMITS["maxStorageBuffersPerShaderStage"]
PLAIN = "plain"


@dataclass(frozen=True)
class _Axes:
    """The axis of a weight to pack, and one with a factor for each element.

    `order`: it is packed as a matrix, with its other axes in this order as columns.
    """

    packed: int
    kept: int | None = None
    order: tuple[int, ...] = ()

    def view(self, weight: np.ndarray | Quantized) -> np.ndarray | Quantized:
        """The weight as it is packed."""
        if not self.order:
            return weight
        if isinstance(weight, Quantized):
            return weight.as_matrix(self.order)
        return weight.transpose(0, *self.order).reshape(len(weight), -1)


def with_packed_weights(
    graph: KernelGraph, plain: AbstractSet[GraphValue] = frozenset()
) -> KernelGraph:
    """The graph with each large constant in its smallest form, where kernels can take it.

    Those in `plain` are float32.
    """
    packer = _Packer(plain)
    return replace(graph, calls=tuple(packer.call(call) for call in graph.calls))


class _Packer:
    def __init__(self, plain: AbstractSet[GraphValue]) -> None:
        self._plain = plain
        self._axes: dict[Any, Mapping[int, _Axes]] = {}
        self._packed: dict[tuple[GraphValue, _Axes], tuple[Form, list[GraphValue]] | None] = {}
        self._floats: dict[GraphValue, GraphValue] = {}
        self._functions: dict[tuple[Any, tuple[tuple[int, Form], ...]], Any] = {}

    def call(self, call: KernelCall) -> KernelCall:
        large = {
            position: value
            for position, value in enumerate(call.inputs)
            if value.array is not None
            and value.dtype == "float32"
            and value.count >= LEAST
            and value not in self._plain
            and not value.has_no_data
        }
        found = {}
        if large:
            axes = self._axes_of(call.function)
            for position, value in large.items():
                packed = self._pack(value, axes[position]) if position in axes else None
                if packed is not None:
                    found[position] = packed
        forms = {position: form for position, (form, _) in found.items()}
        function = self._function(call.function, forms)
        if function is None:
            found, function = {}, call.function
        inputs: list[GraphValue] = []
        for position, value in enumerate(call.inputs):
            if value.has_no_data and position not in self._axes_of(call.function):
                value = replace(value, array=nothing(value.dtype, value.shape))
            inputs += found[position][1] if position in found else [self._float(value)]
        return replace(call, function=function, inputs=tuple(inputs))

    def _axes_of(self, function: Any) -> Mapping[int, _Axes]:
        if function not in self._axes:
            self._axes[function] = _axes_of(function)
        return self._axes[function]

    def _pack(self, value: GraphValue, axes: _Axes) -> tuple[Form, list[GraphValue]] | None:
        if (value, axes) not in self._packed:
            assert value.array is not None
            packed = pack(axes.view(value.array), axes.packed, axes.kept)
            found = None
            if packed is not None:
                found = replace(packed.form, order=axes.order), _values(packed)
            self._packed[value, axes] = found
        return self._packed[value, axes]

    def _function(self, function: Any, forms: Mapping[int, Form]) -> Any:
        """The function that takes these weights packed; None if there is no family for it."""
        if not forms:
            return function
        key = (function, tuple(forms.items()))
        if key not in self._functions:
            made = packed_function(function, forms)
            fits = len(made.params) <= max(MOST_BUFFERS, len(function.params))
            self._functions[key] = made if fits and _has_family(made) else None
        return self._functions[key]

    def _float(self, value: GraphValue) -> GraphValue:
        """The value, in float32 if it is quantised."""
        if not isinstance(value.array, Quantized):
            return value
        if value not in self._floats:
            self._floats[value] = replace(value, array=value.array.floats())
        return self._floats[value]


def _values(packed: Packed) -> list[GraphValue]:
    return [
        GraphValue(str(array.dtype), array.shape, array, is_packed=True) for array in packed.arrays
    ]


def _axes_of(function: Any) -> dict[int, _Axes]:
    """The parameters that could be packed, and how.

    A matmul's right factor along k; its left one, as the weight of a convolution, too, if its rows
    are the first axis; others along the longest axis but the last, which vectors run along.
    """
    try:
        matmul = read_matmul(function)
    except NotEquations:
        matmul = None
    found = {}
    for position, parameter in enumerate(function.params):
        shape = compat.static_shape(parameter) or ()
        if len(shape) < 2:
            continue
        longest = max(range(len(shape) - 1), key=lambda axis: shape[axis])
        found[position] = _Axes(longest)
        if matmul is None:
            continue
        read = [_loads_of(side, parameter) for side in (matmul.left, matmul.right)]
        if not any(read):
            continue
        del found[position]
        if len(read[0]) == 1 and not read[1] and _is_of_rows(matmul, read[0][0], shape):
            found[position] = _Axes(1, 0, tuple(1 + place for place in longest_last(shape[1:])))
        if not read[0] and len(read[1]) == 1:
            indices = list(read[1][0].indices)
            depth = _axis_of(indices, matmul.sum.reduced[0])
            column = _axis_of(indices, matmul.column)
            if len(matmul.sum.reduced) == 1 and depth is not None and column is not None:
                found[position] = _Axes(depth, column)
    return found


def _loads_of(expression: Any, buffer: Any) -> list[Any]:
    return [load for load in loads(expression) if compat.load_buffer(load).same_as(buffer)]


def _is_of_rows(matmul: Matmul, load: Any, shape: tuple[int, ...]) -> bool:
    """Whether the first axis of a weight is the matmul's rows, and all others are k."""
    total, (first, *others) = matmul.sum, list(load.indices)
    is_first = first.same_as(total.spatial[matmul.row_axis])
    is_whole = shape[0] == total.extents[matmul.row_axis]
    return (
        is_first
        and is_whole
        and not any(uses(index, var) for index in others for var in total.spatial)
    )


def _axis_of(indices: list[Any], var: Any) -> int | None:
    return next((axis for axis, index in enumerate(indices) if index.same_as(var)), None)


def _has_family(function: Any) -> bool:
    """Whether there are kernels for it beside the plain one, on every target."""
    constants: frozenset[int] = frozenset()
    spaces = (
        wasm_candidates(function, constants),
        webgpu_candidates(function, constants, LEAST_LIMITS),
    )
    return all(space[0].family != PLAIN for space in spaces)


def packed_function(function: Any, forms: Mapping[int, Form]) -> Any:
    """The function with these parameters replaced by their packed arrays."""
    parameters: list[Any] = []
    unpacked: list[Any] = []
    nests: list[Any] = []
    for position, parameter in enumerate(function.params):
        if position not in forms:
            parameters.append(parameter)
            continue
        made = _unpacking(forms[position], emit.shape_of(parameter))
        *arrays, whole = made.params
        names = [f"{parameter.name}_{array.name}" for array in arrays]
        own = [
            emit.buffer(name, emit.shape_of(array), str(array.ty.dtype))
            for name, array in zip(names, arrays, strict=True)
        ]
        table = dict(zip(arrays, own, strict=True)) | {whole: parameter}
        nests.append(substitute(made.body.block.body, table))
        parameters += own
        unpacked.append(parameter)
    root = function.body.block
    before = root.body.seq if compat.type_key(root.body) == "SeqStmt" else [root.body]
    block = compat.SBlock(
        root.iter_vars, root.reads, root.writes, root.name_hint,
        tirx.SeqStmt([*nests, *before]), root.init,
        [*root.alloc_buffers, *unpacked], root.match_buffers, root.annotations,
    )  # fmt: skip
    body = compat.SBlockRealize([], function.body.predicate, block)
    return tirx.PrimFunc(parameters, body, attrs=function.attrs)


def _unpacking(form: Form, shape: tuple[int, ...]) -> Any:
    """A function from packed arrays to the weight in float32, of this shape, as a block."""
    words = te.placeholder(form.words, "int32", name="words")
    factors = te.placeholder(form.factors, "float32", name="factors") if form.factors else None

    def factor(place: tuple[Any, ...], is_zero: bool) -> Any:
        at = [index // block for index, block in zip(place, form.blocks, strict=True)]
        if is_zero and form.has_scale:  # the zero points come after the scales
            at[form.axis] = at[form.axis] + form.factors[form.axis] // 2
        assert factors is not None
        return factors(*at)

    def element(*place: Any) -> Any:
        if form.order:
            others = [(place[axis], shape[axis]) for axis in form.order]
            place = (place[0], emit.flat(*zip(*others, strict=True)))
        at = place[form.axis]
        word = words(*place[: form.axis], at // form.per_word, *place[form.axis + 1 :])
        value = _number(form, word, at % form.per_word)
        if form.has_zero:
            value = value - factor(place, True)
        return value * factor(place, False) if form.has_scale else value

    whole = te.compute(shape, element, name="unpacked")
    arrays = [words] if factors is None else [words, factors]
    return te.create_prim_func([*arrays, whole])


def _number(form: Form, word: Any, place: Any) -> Any:
    """The float at a place in a word."""
    if form.kind == FLOAT:
        bits = (((word >> (place * 16)) << 16) >> 3) & FLOAT_BITS
        scale = tirx.FloatImm("float32", 2.0 ** (form.lowest - LOWEST))
        return tirx.reinterpret("float32", bits) * scale
    if form.kind == BRAIN:
        return tirx.reinterpret("float32", (word >> (place * 16)) << 16)
    # In the fraction of 2^23, of which the last bit is 1: cheaper than to extend and to convert.
    number = (word >> (place * form.bits)) & ((1 << form.bits) - 1)
    return tirx.reinterpret("float32", number | WHOLE_BITS) - tirx.FloatImm(
        "float32", 2.0**23 + (1 << (form.bits - 1))
    )
