"""Checks what a model asks for before anybody works on it: its tensors, files, and functions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from harness.system.text import first_line
from jitweb.errors import JitwebError

MOST_WEIGHT_BYTES = 4 << 30  # what a 32-bit memory addresses
MOST_NODES = 200_000  # that local functions become


def tensors_of(message: Any) -> Iterator[onnx.TensorProto]:
    """All tensors in a message such as a model: weights, attributes, in branches and functions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in (value,) if hasattr(value, "ListFields") else value:
            if isinstance(part, onnx.TensorProto):
                yield part
            elif not isinstance(part, onnx.ValueInfoProto):
                yield from tensors_of(part)


def check_places(model: onnx.ModelProto, folder: Path) -> None:
    """Check the sizes of all tensors, and that external ones lie in the model's folder.

    Raises:
        JitwebError: a file is elsewhere or missing, or together they are larger than 4 GiB.
    """
    root, total = Path(os.path.realpath(folder)), 0
    for tensor in tensors_of(model):
        total += tensor.ByteSize()
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            total += _external_bytes(tensor, root)
    if total > MOST_WEIGHT_BYTES:
        raise JitwebError(
            f"the weights are {total / (1 << 30):.1f} GiB, and WebAssembly's memory ends at 4 GiB; "
            "use a smaller model"
        )


def _external_bytes(tensor: onnx.TensorProto, root: Path) -> int:
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = facts.get("location", "")
    if "\0" in location:
        raise JitwebError(f"the weight {tensor.name} has an invalid file name; export it again")
    try:
        real = Path(os.path.realpath(root / location))
        if not location or Path(location).is_absolute() or not real.is_relative_to(root):
            raise JitwebError(
                f"the weight {tensor.name} lies outside of the model's folder ({location}); "
                "put its file beside the model"
            )
        if not real.is_file():
            raise JitwebError(f"the weights' file {location} is missing beside the model")
        size = real.stat().st_size
    except OSError as error:
        raise JitwebError(f"the weights' file {location} can't be read: {error.strerror}") from None
    length = facts.get("length", "")
    return min(int(length), size) if length.isdecimal() and len(length) < 20 else size


def check_tensors(model: onnx.ModelProto) -> None:
    """Check that each tensor, read from its file, has the data that its type and shape ask for.

    Raises:
        JitwebError: one has not, or its type is unknown.
    """
    for tensor in tensors_of(model):
        try:
            numpy_helper.to_array(tensor)
        except Exception as error:  # NumPy and onnx raise many kinds for data that does not fit
            raise JitwebError(
                f"the tensor {tensor.name} is damaged ({first_line(error)}); export the model again"
            ) from None


def check_functions(model: onnx.ModelProto) -> None:
    """Check that the local functions, inlined, are a model that somebody could have exported.

    Thirty functions of two calls each are a billion nodes.

    Raises:
        JitwebError: they are too many nodes, or call each other in a circle.
    """
    functions = {(each.domain, each.name): each for each in model.functions}
    calls = {name: set(_calls(each.node)) & {*functions} for name, each in functions.items()}
    try:
        order = list(TopologicalSorter(calls).static_order())
    except CycleError:
        raise JitwebError("the model's functions call themselves; export it again") from None
    sizes: dict[tuple[str, str], int] = {}
    for name in order:
        sizes[name] = _size(functions[name].node, sizes)
    if _size(model.graph.node, sizes) > MOST_NODES:
        raise JitwebError(f"the model's functions are more than {MOST_NODES} nodes; use another")


def _size(nodes: Iterable[onnx.NodeProto], sizes: Mapping[tuple[str, str], int]) -> int:
    return sum(sizes.get(call, 1) for call in _calls(nodes))


def _calls(nodes: Iterable[onnx.NodeProto]) -> Iterator[tuple[str, str]]:
    """The operator of each node and of those in its graphs."""
    for node in nodes:
        yield node.domain, node.op_type
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _calls(graph.node)
