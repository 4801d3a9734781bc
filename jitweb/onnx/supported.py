"""Checks that what a model says is among what there is: types of values, words in attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import onnx

from jitweb.errors import JitwebError
from jitweb.onnx.branches import branches
from jitweb.onnx.graph import STANDARD, attributes, node_text, user_values

_T = onnx.TensorProto
TAKEN = (_T.FLOAT, _T.INT32, _T.INT64, _T.BOOL)
OTHERWISE = "export the model with float32, int32, int64 or bool in its place, and a Cast inside"
NO_TEXT = "leave the processing of text out of the model, and pass ids"
FIXES: Mapping[int, str] = {
    _T.STRING: NO_TEXT,
    _T.DOUBLE: "export the model in float32, such as by model.float() in PyTorch",
}
NOT_COMPUTED: Mapping[int, tuple[str, str]] = {
    _T.STRING: ("strings", NO_TEXT),
    _T.COMPLEX64: ("complex numbers", "export the model with pairs of floats"),
    _T.COMPLEX128: ("complex numbers", "export the model with pairs of floats"),
}
# The words that an attribute may be, of one operator or ("") of all.
CHOICES: Mapping[tuple[str, str], str] = {
    ("", "auto_pad"): "NOTSET SAME_UPPER SAME_LOWER VALID",
    **{(each, "direction"): "forward reverse bidirectional" for each in ("LSTM", "GRU", "RNN")},
    ("BitShift", "direction"): "LEFT RIGHT",
    ("DepthToSpace", "mode"): "DCR CRD",
    ("Gelu", "approximate"): "none tanh",
    ("GridSample", "mode"): "linear nearest cubic bilinear bicubic",
    ("GridSample", "padding_mode"): "zeros border reflection",
    ("Pad", "mode"): "constant reflect edge wrap",
    ("Resize", "mode"): "nearest linear cubic",
    ("Resize", "coordinate_transformation_mode"): "half_pixel half_pixel_symmetric align_corners "
    "pytorch_half_pixel asymmetric tf_half_pixel_for_nn tf_crop_and_resize",
    ("Resize", "nearest_mode"): "round_prefer_floor round_prefer_ceil floor ceil",
    ("Resize", "keep_aspect_ratio_policy"): "stretch not_larger not_smaller",
    **{(each, "reduction"): "none add mul max min" for each in ("ScatterND", "ScatterElements")},
}


def check_choices(nodes: Iterable[onnx.NodeProto]) -> None:
    """Check the words in attributes, which ONNX's own checker doesn't.

    Raises:
        JitwebError: a node has one that ONNX does not know.
    """
    for node in _all(nodes):
        for name, value in attributes(node).items() if node.domain in STANDARD else ():
            known = CHOICES.get((node.op_type, name)) or CHOICES.get(("", name), "")
            if known and value not in known.split():
                raise JitwebError(
                    f"{node_text(node)} has {name}={value!r}, which ONNX does not know; export the "
                    f"model with one of {', '.join(known.split())}"
                )


def _all(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for inner in branches(node):
            yield from _all(inner.node)


def check_kinds(model: onnx.ModelProto) -> None:
    """Check the types of a simplified model's inputs and outputs, and of what it computes.

    Raises:
        JitwebError: one is of a type for which there are no kernels.
    """
    for what, values in (("input", user_values(model)), ("output", model.graph.output)):
        for value in values:
            kind = value.type.tensor_type.elem_type
            if kind not in TAKEN:
                named = _T.DataType.Name(kind).lower()
                raise JitwebError(
                    f"the {what} {value.name} is of a type that is not supported ({named}); "
                    f"{FIXES.get(kind, OTHERWISE)}"
                )
    kinds = {each.name: each.type.tensor_type.elem_type for each in model.graph.value_info}
    for node in model.graph.node:
        for name in node.output:
            if kinds.get(name) in NOT_COMPUTED:
                computed, fix = NOT_COMPUTED[kinds[name]]
                raise JitwebError(
                    f"{node_text(node)} computes {computed}, which are not supported; {fix}"
                )
