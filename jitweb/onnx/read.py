"""Reading an ONNX file: everything that can be wrong with one, reported before TVM sees it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx

from harness.system.text import first_line
from jitweb.errors import JitwebError
from jitweb.onnx.check import (
    MOST_WEIGHT_BYTES,
    check_functions,
    check_places,
    check_tensors,
)
from jitweb.onnx.graph import CONTRIB, STANDARD, names_read

MOST_FILE_BYTES = 2 << 30  # of protobuf
LEAST_ELEMENT_BYTES = 4
ORT_WITHOUT_DOMAIN = ("SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization")


def read_onnx(path: Path, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """The model with its external data, and every input of a static shape.

    Raises:
        JitwebError: it is missing, damaged, too large, refers to files elsewhere, or lacks shapes.
    """
    model = _parse(path)
    check_places(model, path.parent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys that nobody knows
            onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        raise JitwebError(f"{path}: its external data can't be read: {first_line(error)}") from None
    _sort(model.graph)
    _name_domains(model)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise JitwebError(f"{path} is not a valid ONNX model: {first_line(error)}") from None
    except Exception:  # ValueError or protobuf's own: too large, as the checker takes 2 GiB at most
        pass
    check_tensors(model)
    check_functions(model)
    _check_opset(model, path)
    fix_shapes(model, shapes)
    return model


def _parse(path: Path) -> onnx.ModelProto:
    try:
        if path.is_dir():
            raise JitwebError(f"{path} is a folder; name the .onnx file")
        if path.exists() and not path.is_file():
            raise JitwebError(f"{path} is not a regular file; save the model to one")
        if path.stat().st_size > MOST_FILE_BYTES:
            raise JitwebError(f"{path} is larger than 2 GiB, which no ONNX file is; check its name")
        model = onnx.load(str(path), load_external_data=False)
    except FileNotFoundError:
        raise JitwebError(f"{path} does not exist") from None
    except OSError as error:
        raise JitwebError(f"{path} can't be read: {error.strerror}") from None
    except JitwebError:
        raise
    except Exception as error:  # protobuf's DecodeError, which has no public home
        raise JitwebError(f"{path} is not an ONNX file, or damaged: {first_line(error)}") from None
    if not model.graph.node or not model.graph.output:
        raise JitwebError(f"{path} is not an ONNX model, or is damaged: its graph is empty")
    return model


def _sort(graph: onnx.GraphProto) -> None:
    """Put each node after those whose results it reads, as onnxruntime does by itself.

    onnxruntime's own converter to float16 writes graphs that are not in this order.
    """
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output if name}
    needs = [{makers[name] for name in names_read(node) if name in makers} for node in graph.node]
    if all(max(each, default=-1) < place for place, each in enumerate(needs)):
        return
    try:
        order = list(TopologicalSorter(dict(enumerate(needs))).static_order())
    except CycleError:  # which the checker reports
        return
    nodes = [graph.node[place] for place in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _name_domains(model: onnx.ModelProto) -> None:
    """Give onnxruntime's operators their domain, where its optimizer wrote them without one."""
    found = [node for node in model.graph.node if node.op_type in ORT_WITHOUT_DOMAIN]
    for node in found:
        node.domain = CONTRIB
    if found and not any(each.domain == CONTRIB for each in model.opset_import):
        model.opset_import.add(domain=CONTRIB, version=1)


def _check_opset(model: onnx.ModelProto, path: Path) -> None:
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in STANDARD and opset.version > newest:
            raise JitwebError(
                f"{path} is of opset {opset.version}, and the installed onnx knows {newest}: "
                "update onnx, or export the model with an older opset"
            )


def fix_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give inputs the shapes that are asked for.

    Raises:
        JitwebError: a shape is for no input or doesn't fit it, or an input remains symbolic.
    """
    inputs = {value.name: value for value in graph_inputs(model)}
    for name in shapes:
        if name not in inputs:
            raise JitwebError(f"--shape {name}: the model's inputs are {', '.join(inputs)}")
    for name, value in inputs.items():
        dimensions = value.type.tensor_type.shape.dim
        if name in shapes:
            wanted = list(shapes[name])
            fits = len(wanted) == len(dimensions) and all(
                not dimension.HasField("dim_value") or dimension.dim_value == extent
                for dimension, extent in zip(dimensions, wanted, strict=True)
            )
            if not fits:
                asked = "x".join(map(str, wanted))
                raise JitwebError(f"--shape {name}={asked} does not fit {_shape_text(value)}")
            for dimension, extent in zip(dimensions, wanted, strict=True):
                dimension.dim_value = extent
    open_inputs = [value for value in inputs.values() if not _is_static(value)]
    if open_inputs:
        example = " ".join(f"--shape {value.name}={_example(value)}" for value in open_inputs)
        listing = ", ".join(_shape_text(value) for value in open_inputs)
        raise JitwebError(f"fix the shapes of {listing}, for example: {example}")
    for value in inputs.values():
        elements = math.prod(each.dim_value for each in value.type.tensor_type.shape.dim)
        if elements * LEAST_ELEMENT_BYTES > MOST_WEIGHT_BYTES:
            raise JitwebError(
                f"the input {_shape_text(value)} has {elements} elements, and WebAssembly's memory "
                "ends at 4 GiB; use a smaller shape"
            )
    if shapes:
        del model.graph.value_info[:]  # they may still hold the symbols


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that the user passes."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _is_static(value: onnx.ValueInfoProto) -> bool:
    kind = value.type.tensor_type
    return kind.HasField("shape") and all(
        dimension.HasField("dim_value") and dimension.dim_value > 0 for dimension in kind.shape.dim
    )


def _shape_text(value: onnx.ValueInfoProto) -> str:
    named = "x".join(
        str(dimension.dim_value) if dimension.HasField("dim_value") else dimension.dim_param or "?"
        for dimension in value.type.tensor_type.shape.dim
    )
    return f"{value.name} ({named})"


def _example(value: onnx.ValueInfoProto) -> str:
    sizes = [
        str(dimension.dim_value)
        if dimension.HasField("dim_value") and dimension.dim_value > 0
        else ("1" if axis == 0 else "128")
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim)
    ]
    return "x".join(sizes)
