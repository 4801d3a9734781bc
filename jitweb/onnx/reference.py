"""onnx.reference, with an operator of ours where its own loops over every element in Python."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from jitweb.onnx.convolution import transposed_axes


def evaluator(model: onnx.ModelProto, end: float = math.inf) -> ReferenceEvaluator:
    """An evaluator of the model, which takes seconds for large convolutions too.

    From `end` on, a time of time.monotonic(), it computes no further node but raises TimeoutError.
    """
    made = ReferenceEvaluator(model, new_ops=[ConvTranspose])
    if end < math.inf:
        for node in made.rt_nodes_:
            node.run = _until(end, node.run)
    return made


def _until(end: float, run: Callable[..., Any]) -> Callable[..., Any]:
    def limited(*arguments: Any, **named: Any) -> Any:
        if time.monotonic() >= end:
            raise TimeoutError("onnx.reference takes too long")
        return run(*arguments, **named)

    return limited


class ConvTranspose(OpRun):  # type: ignore[misc]
    """The kernel, times each element, added up at the element's place."""

    op_domain = ""

    def _run(
        self,
        x: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray | None = None,
        group: int | None = None,
        dilations: Any = None,
        strides: Any = None,
        **given: Any,
    ) -> tuple[np.ndarray]:
        groups, count = group or 1, x.ndim - 2
        steps = dilations or [1] * count
        reach = [(k - 1) * step + 1 for k, step in zip(weight.shape[2:], steps, strict=True)]
        axes = transposed_axes({"strides": strides, **given}, x.shape[2:], tuple(reach))
        lengths = [
            max((axis.source - 1) * axis.stride + axis.kernel, axis.begin + axis.size)
            for axis in axes
        ]
        parts = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
        kernels = weight.reshape(groups, -1, *weight.shape[1:])
        result = np.zeros((x.shape[0], groups, weight.shape[1], *lengths), x.dtype)
        for tap in itertools.product(*map(range, weight.shape[2:])):
            places: Any = tuple(
                slice(t * step, t * step + (axis.source - 1) * axis.stride + 1, axis.stride)
                for t, step, axis in zip(tap, steps, axes, strict=True)
            )
            for number in range(groups):
                added = np.einsum(
                    "nc...,co->no...",
                    parts[:, number],
                    at(kernels, number, ..., *tap),
                    optimize=True,
                )
                at(result, slice(None), number, slice(None), *places)[...] += added
        result = result.reshape(x.shape[0], -1, *lengths)
        if bias is not None:
            result += bias.reshape(-1, *[1] * count)
        cut = [slice(axis.begin, axis.begin + axis.size) for axis in axes]
        return (at(result, ..., *cut),)


def at(array: np.ndarray, *index: Any) -> np.ndarray:
    """The part of an array at an index: a view."""
    view: np.ndarray = array[index]
    return view
