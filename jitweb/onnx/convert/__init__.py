"""Converters of ours, for operators that TVM's frontend lacks or gets wrong: one file a family.

A converter takes a Node, of opset 20 or of onnxruntime's domain and with static shapes, and returns
the Relax expression of its result, a tuple where it has several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jitweb.onnx.convert import cast, elementwise, extreme, scan, scatter, select, steps
from jitweb.onnx.convert.node import Node

FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "Sign": elementwise.sign,
    "Acos": elementwise.arccosine,
    "Acosh": elementwise.inverse_hyperbolic_cosine,
    "Asin": elementwise.arcsine,
    "Asinh": elementwise.inverse_hyperbolic_sine,
    "Atan": elementwise.arctangent,
    "Atanh": elementwise.inverse_hyperbolic_tangent,
    "Cosh": elementwise.hyperbolic_cosine,
    "Sinh": elementwise.hyperbolic_sine,
    "Tan": elementwise.tangent,
}

CONVERTERS: Mapping[tuple[str, str], Callable[[Node], Any]] = {
    ("", "Cast"): cast.cast,
    ("", "Max"): extreme.maximum,
    ("", "Min"): extreme.minimum,
    ("", "Clip"): extreme.clip,
    ("", "ArgMax"): extreme.argmax,
    ("", "ArgMin"): extreme.argmin,
    ("", "Hardmax"): extreme.hardmax,
    **{("", name): elementwise.of_element(each) for name, each in FUNCTIONS.items()},
    ("", "IsInf"): elementwise.is_infinite,
    ("", "CumSum"): scan.cumsum,
    ("", "TopK"): select.topk,
    ("", "OneHot"): select.onehot,
    ("", "Gather"): select.gather,
    ("", "GatherElements"): select.gather_elements,
    ("", "ScatterElements"): scatter.scatter_elements,
    ("", "ScatterND"): scatter.scatter_nd,
    (steps.INNER, steps.STEPS): steps.steps,
}
