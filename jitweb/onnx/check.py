"""Checks what a model asks for before anybody works on it: its tensors, files, and functions."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from harness.system.files import open_bounded
from harness.system.text import first_line
from jitweb.errors import JitwebError

MOST_WEIGHT_BYTES = 4 << 30  # what a 32-bit memory addresses
BITS = {  # of those smaller than a byte
    getattr(onnx.TensorProto, name): bits
    for name, bits in (("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2))
    if hasattr(onnx.TensorProto, name)
}
MOST_TENSOR_BYTES = (2 << 30) - (1 << 20)
DATA = ("raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data",
        "uint64_data")  # fmt: skip
LFS = b"version https://git-lfs.github.com/"  # how a pointer to a file begins
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


def check_places(model: onnx.ModelProto, path: Path) -> None:
    """Check the sizes of all tensors of a file, and that external ones lie in its folder.

    Raises:
        JitwebError: a file is elsewhere, missing or of another size, or together they are larger
            than 4 GiB; or tensors have no data at all.
    """
    total, bare = 0, []
    for tensor in tensors_of(model):
        total += tensor.ByteSize()
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            total += _external_bytes(tensor, path, model)
        elif math.prod(tensor.dims) > 0 and not any(getattr(tensor, part) for part in DATA):
            bare.append(tensor.name)
    if bare:
        more = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
        raise JitwebError(
            f"{path} holds no data of the weight {bare[0]}{more}: it was saved for its shapes "
            "alone; export the model again, with its weights"
        )
    if total > MOST_WEIGHT_BYTES:
        raise JitwebError(
            f"the weights are {total / (1 << 30):.1f} GiB, and WebAssembly's memory ends at 4 GiB; "
            "use a smaller model"
        )


def _external_bytes(tensor: onnx.TensorProto, path: Path, model: onnx.ModelProto) -> int:
    root = Path(os.path.realpath(path.parent))
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
            raise JitwebError(
                f"{path} keeps its weights in {location}, which is missing: download or copy it, "
                f"too, and put it at {path.parent / location}"
            )
        size = real.stat().st_size
    except OSError as error:
        raise JitwebError(f"the weights' file {location} can't be read: {error.strerror}") from None
    offset = _count(facts.get("offset", "0"), size)
    length = _count(facts.get("length", f"{size - offset}"), size - offset) if offset >= 0 else -1
    if length <= MOST_WEIGHT_BYTES and length != _needed_bytes(tensor):
        why = _why_not_whole(real, size, location, model)
        if why:
            raise JitwebError(f"the weight {tensor.name} can't be read: {real} {why}")
        raise JitwebError(
            f"the weight {tensor.name} can't be read: the part of {location} that it names is not "
            "of its type and shape; export the model again"
        )
    return length


def _why_not_whole(path: Path, size: int, location: str, model: onnx.ModelProto) -> str:
    """What is wrong with a file of weights as a whole; "" if it is as large as the model says."""
    try:
        with open_bounded(path, MOST_WEIGHT_BYTES) as file:
            is_pointer = file.read(len(LFS)) == LFS
    except OSError as error:
        return f"can't be read: {error.strerror or error}"
    if is_pointer:
        return "is a pointer of Git LFS in the place of the weights; fetch it with git lfs pull"
    ends = [0]
    for tensor in tensors_of(model):
        facts = {entry.key: entry.value for entry in tensor.external_data}
        if facts.get("location") == location:
            ends.append(_count(facts.get("offset", "0"), MOST_WEIGHT_BYTES) + _needed_bytes(tensor))
    end = max(ends)
    if size < end <= MOST_WEIGHT_BYTES:
        return f"is cut short ({size} of {end} bytes); download it again"
    return ""


def _count(text: str, most: int) -> int:
    """The number that is written there, from 0 to `most`; -1 where it is none."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    return number if number <= most else -1


def _needed_bytes(tensor: onnx.TensorProto) -> int:
    """The bytes of a tensor of this type and shape; -2 where there is no such tensor."""
    bits = _bits(tensor.data_type)
    if not bits or min(tensor.dims, default=0) < 0 or tensor.data_type == onnx.TensorProto.STRING:
        return -2
    return -(-math.prod(tensor.dims) * bits // 8)


def _bits(kind: int) -> int:
    """The bits of an element of a type as ONNX numbers it; 0 of one that is unknown."""
    if kind in BITS or kind not in onnx.helper.get_all_tensor_dtypes():
        return BITS.get(kind, 0)
    return 8 * onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize


def check_tensors(tensors: Iterable[onnx.TensorProto]) -> None:
    """Check that each tensor, read from its file, has the data that its type and shape ask for.

    Raises:
        JitwebError: one has not, or its type is unknown.
    """
    for tensor in tensors:
        try:
            numpy_helper.to_array(tensor)
        except Exception as error:  # NumPy and onnx raise many kinds for data that does not fit
            raise JitwebError(
                f"the tensor {tensor.name} is damaged ({first_line(error)}); export the model again"
            ) from None


def checked_tensor(array: np.ndarray, name: str) -> onnx.TensorProto:
    """The constant with this value.

    Raises:
        JitwebError: it has 2 GiB or more, which protobuf can't hold, and dies of.
    """
    check_constant(name, array.size, onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
    return numpy_helper.from_array(array, name)


def check_constant(name: str, count: int, kind: int) -> None:
    """Raises: JitwebError, if so many elements of this type are 2 GiB or more."""
    if count * _bits(kind) // 8 > MOST_TENSOR_BYTES:
        raise JitwebError(f"the constant {name} is larger than 2 GiB; use smaller shapes")


def check_types(values: Iterable[onnx.ValueInfoProto]) -> None:
    """Raises: JitwebError, if an input or output is no tensor, or of a type that nobody knows."""
    for value in values:
        kind = value.type.WhichOneof("value")
        if kind not in (None, "tensor_type"):
            raise JitwebError(
                f"{value.name} is a {kind.removesuffix('_type').replace('_', ' ')}; export the "
                "model with tensors alone, one for each part"
            )
        if value.type.tensor_type.elem_type not in onnx.TensorProto.DataType.values():
            raise JitwebError(f"{value.name} is of an unknown type; export the model again")


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
