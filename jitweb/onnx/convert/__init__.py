"""Converters of ours, for operators that TVM's frontend lacks or gets wrong: one file a family.

A converter takes a Node, of opset 20 or of onnxruntime's domain and with static shapes, and returns
the Relax expression of its result, a tuple where it has several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jitweb.onnx.convert import cast, extreme, scan, scatter, select
from jitweb.onnx.convert.node import Node

CONVERTERS: Mapping[tuple[str, str], Callable[[Node], Any]] = {
    ("", "Cast"): cast.cast,
    ("", "Max"): extreme.maximum,
    ("", "Min"): extreme.minimum,
    ("", "Clip"): extreme.clip,
    ("", "CumSum"): scan.cumsum,
    ("", "TopK"): select.topk,
    ("", "OneHot"): select.onehot,
    ("", "Gather"): select.gather,
    ("", "GatherElements"): select.gather_elements,
    ("", "ScatterElements"): scatter.scatter_elements,
    ("", "ScatterND"): scatter.scatter_nd,
}
