"""Convolutions: explicit padding, and ConvTranspose as a Conv of stride 1.

The result of a ConvTranspose of stride s is, along an axis, s results interleaved: element q s + r
is the sum over j of x[q - j] w[r + s j], a Conv of stride 1 with every s-th element of the kernel,
reversed. All s of them are one Conv, with s times the channels; along the last axis those that
begin an element later are another, as it would be one longer otherwise. Nothing is multiplied by
the zeros that are between the elements of x in the operator's definition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from jitweb.onnx.graph import Graph, attributes, operands
from jitweb.onnx.weights import moved


def conv(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Conv with its padding as numbers, as TVM's frontend gets some that ONNX derives wrong.

    Raises:
        ValueError: they are numbers already.
    """
    given = attributes(node)
    kind = given.pop("auto_pad", "NOTSET")
    if kind == "NOTSET":
        raise ValueError("its padding is given")
    kernel, sizes = graph.shape(node.input[1])[2:], graph.shape(node.input[0])[2:]
    strides, dilations = (given.get(name) or [1] * len(kernel) for name in ("strides", "dilations"))
    begins, ends = [], []
    for k, size, stride, dilation in zip(kernel, sizes, strides, dilations, strict=True):
        reach = (-(-size // stride) - 1) * stride + (k - 1) * dilation + 1
        begin, end = _distributed(0 if kind == "VALID" else max(reach - size, 0), kind)
        begins.append(begin)
        ends.append(end)
    return [graph.op("Conv", *node.input, **{**given, "pads": [*begins, *ends]})]


def _distributed(padding: int, kind: str) -> tuple[int, int]:
    """The padding before and after, of which an odd one is after for SAME_UPPER alone."""
    small, large = padding // 2, padding - padding // 2
    return (small, large) if kind == "SAME_UPPER" else (large, small)


@dataclass(frozen=True)
class TransposedAxis:
    """An axis of a ConvTranspose: `begin` elements are cut off, and `size` are left."""

    source: int
    kernel: int
    stride: int
    begin: int
    size: int

    @property
    def taps(self) -> int:
        """The length of the kernel of each of the interleaved convolutions."""
        return -(-self.kernel // self.stride)

    @property
    def together(self) -> _Phases:
        """All phases, from the first element of any of them that is wanted."""
        last = -(-(self.begin + self.size) // self.stride)
        return self._phases(range(self.stride), self.begin // self.stride, last)

    @property
    def apart(self) -> list[_Phases]:
        """The phases in the order of the result, as parts that begin at the same element.

        So none computes an element that is cut off: a width of 16 doesn't become one of 17.
        """
        first, rest = divmod(self.begin, self.stride)
        count = -(-self.size // self.stride)
        parts = [self._phases(range(rest, self.stride), first, first + count)]
        if rest:
            parts.append(self._phases(range(rest), first + 1, first + 1 + count))
        return parts if all(part.count == count for part in parts) else [self.together]

    def _phases(self, phases: range, first: int, last: int) -> _Phases:
        before = max(self.taps - 1 - first, 0)  # less by what would be cut off
        after = max(last - self.source, 0)
        count = self.source + before + after - self.taps + 1
        return _Phases(tuple(phases), before, after, count, self.taps - 1 - before)


@dataclass(frozen=True)
class _Phases:
    """Some of the interleaved convolutions, and the zeros before and after x for them.

    Each has `count` elements, of which the first is the one of the number `first`.
    """

    phases: tuple[int, ...]
    before: int
    after: int
    count: int
    first: int


def conv_transpose(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """ConvTranspose, with all ways to say how much of the result is wanted.

    Raises:
        ValueError: its shapes aren't known.
    """
    x, weight, bias = operands(node, 3)
    given = attributes(node)
    groups = int(given.get("group", 1))
    dilations = given.get("dilations") or [1] * (len(graph.shape(weight)) - 2)
    kernel = tuple(
        (size - 1) * dilation + 1
        for size, dilation in zip(graph.shape(weight)[2:], dilations, strict=True)
    )
    axes = transposed_axes(given, graph.shape(x)[2:], kernel)
    count, channels, batch = len(axes), graph.shape(weight)[1], graph.shape(x)[0]
    *others, last = axes
    made, chosen = [], [axis.together for axis in others]
    for part in last.apart:
        parts = [*chosen, part]
        phases = [len(each.phases) for each in parts]

        def interleaved(name: str, mode: str, parts: list[_Phases] = parts) -> str:
            dilated = _dilated(graph, name, dilations, mode)
            return _interleaved_kernel(graph, dilated, axes, parts, groups, mode)

        result = graph.op(
            "Conv", x, moved(graph, weight, interleaved),
            *([_repeated(graph, bias, groups, math.prod(phases))] if bias else []),
            kernel_shape=[axis.taps for axis in axes], group=groups,
            pads=[*(each.before for each in parts), *(each.after for each in parts)],
        )  # fmt: skip
        counts = [each.count for each in parts]
        shape = [batch, groups, *phases, channels, *counts]
        made.append(graph.op("Reshape", result, _ints(graph, shape)))
    whole = made[0] if len(made) == 1 else graph.op("Concat", *made, axis=1 + count)
    # [batch, group, phases…, channel, places…] -> [batch, group, channel, (place, phase)…]
    order = [0, 1, 2 + count]
    for place in range(count):
        order += [3 + count + place, 2 + place]
    whole = graph.op("Transpose", whole, perm=order)
    lengths = [each * axis.stride for each, axis in zip(counts, axes, strict=True)]
    whole = graph.op("Reshape", whole, _ints(graph, [batch, groups * channels, *lengths]))
    starts = [axis.begin - each.first * axis.stride for each, axis in zip(parts, axes, strict=True)]
    if len(made) > 1:
        starts[-1] = 0
    ends = [start + axis.size for start, axis in zip(starts, axes, strict=True)]
    if any(starts) or ends != lengths:
        bounds = (starts, ends, list(range(2, 2 + count)))
        whole = graph.op("Slice", whole, *(_ints(graph, each) for each in bounds))
    return [whole]


def transposed_axes(
    given: dict[str, Any], sizes: tuple[int, ...], kernel: tuple[int, ...]
) -> list[TransposedAxis]:
    """What is wanted of each axis, as onnxruntime derives it."""
    count = len(sizes)
    kind = given.get("auto_pad", "NOTSET")
    pads = given.get("pads") or [0] * 2 * count
    strides = given.get("strides") or [1] * count
    extra = given.get("output_padding") or [0] * count
    wanted = (given.get("output_shape") or [None] * count)[-count:]
    axes = []
    for axis, (size, k, stride) in enumerate(zip(sizes, kernel, strides, strict=True)):
        whole = (size - 1) * stride + k + extra[axis]
        begin, length = pads[axis], whole - pads[axis] - pads[count + axis]
        if wanted[axis] is not None:
            length = wanted[axis]
            begin = _distributed(max(whole - length, 0), kind)[0]
        elif kind in ("SAME_UPPER", "SAME_LOWER"):
            padding = max(whole - size * stride, 0)
            begin, length = _distributed(padding, kind)[0], whole - padding
        elif kind == "VALID":
            begin, length = 0, whole
        axes.append(TransposedAxis(size, k, stride, begin, length))
    return axes


def _interleaved_kernel(
    graph: Graph,
    weight: str,
    axes: list[TransposedAxis],
    parts: list[_Phases],
    groups: int,
    mode: str,
) -> str:
    """[in, out, kernel…] -> [group × phases… × out, in of a group, taps…], the taps reversed.

    `mode` is that of a Pad, which makes all phases as long.
    """
    inputs, outputs, *kernel = graph.shape(weight)
    count = len(axes)
    missing = [axis.taps * axis.stride - axis.kernel for axis in axes]
    if any(missing):
        pads = _ints(graph, [*[0] * (2 + count), 0, 0, *missing])
        weight = graph.op("Pad", weight, pads, mode=mode)
    shape = [groups, inputs // groups, outputs]
    for axis in axes:
        shape += [axis.taps, axis.stride]
    weight = graph.op("Reshape", weight, _ints(graph, shape))
    for place, axis in enumerate(axes):
        if axis.taps > 1:
            backwards = _ints(graph, list(range(axis.taps))[::-1])
            weight = graph.op("Gather", weight, backwards, axis=3 + 2 * place)
        if len(parts[place].phases) < axis.stride:
            some = _ints(graph, list(parts[place].phases))
            weight = graph.op("Gather", weight, some, axis=4 + 2 * place)
    phases = [4 + 2 * place for place in range(count)]
    taps = [3 + 2 * place for place in range(count)]
    weight = graph.op("Transpose", weight, perm=[0, *phases, 2, 1, *taps])
    channels = groups * math.prod(len(part.phases) for part in parts) * outputs
    shape = [channels, inputs // groups, *(axis.taps for axis in axes)]
    return graph.op("Reshape", weight, _ints(graph, shape))


def _dilated(graph: Graph, weight: str, dilations: list[int], mode: str) -> str:
    """The kernel with zeros between its elements, so many that its dilation is 1.

    They are zeros if `mode`, that of a Pad, is "constant".
    """
    for axis, dilation in enumerate(dilations, 2):
        if dilation == 1:
            continue
        shape = list(graph.shape(weight))
        rank, length = len(shape), shape[axis]
        weight = graph.op("Unsqueeze", weight, _ints(graph, [axis + 1]))
        pads = [0] * 2 * (rank + 1)
        pads[rank + 1 + axis + 1] = dilation - 1
        weight = graph.op("Pad", weight, _ints(graph, pads), mode=mode)
        shape[axis] = length * dilation
        weight = graph.op("Reshape", weight, _ints(graph, shape))
        bounds = ([0], [(length - 1) * dilation + 1], [axis])
        weight = graph.op("Slice", weight, *(_ints(graph, each) for each in bounds))
    return weight


def _repeated(graph: Graph, bias: str, groups: int, phases: int) -> str:
    """The bias of all phases: [group × out] -> [group × phases × out]"""
    parts = graph.op("Reshape", bias, _ints(graph, [groups, 1, -1]))
    parts = graph.op("Tile", parts, _ints(graph, [1, phases, 1]))
    return graph.op("Reshape", parts, _ints(graph, [-1]))


def _ints(graph: Graph, values: list[int]) -> str:
    return graph.constant(np.array(values, np.int64))
