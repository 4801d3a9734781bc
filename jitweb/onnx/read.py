"""Reading an ONNX file: everything that can be wrong with one, reported before TVM sees it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_tensor

from harness.system.files import read_bounded
from harness.system.text import first_line
from jitweb.errors import JitwebError
from jitweb.onnx.branches import Values, fix_values
from jitweb.onnx.check import (
    MOST_WEIGHT_BYTES,
    check_functions,
    check_places,
    check_tensors,
    check_types,
    tensors_of,
)
from jitweb.onnx.graph import (
    CONTRIB,
    OPSET,
    SMALL,
    STANDARD,
    graph_inputs,
    is_outline,
    is_static,
    names_read,
    no_input,
    node_text,
    outline,
    outline_input,
    shape_text,
)
from jitweb.onnx.lookalikes import looks_like
from jitweb.onnx.operands import give_size
from jitweb.onnx.supported import check_choices

MOST_FILE_BYTES = 2 << 30  # of protobuf
LEAST_ELEMENT_BYTES = 4
DEPRECATED = "is deprecated in domain_version"  # of an operator, as the checker says it
LONGEST_REASON, MOST_NODES = 300, 5  # in an error
# Sizes to suggest for dimensions, by words in their names.
DIMENSIONS = (
    (("batch",), 1),
    (("channel",), 3),
    (("height", "width"), 224),
)
NEWER = "update onnx (pip install -U onnx), or"
USUAL_LENGTH = 128  # of a sequence
POSITIONS = ("position", "wpe", "pos_embed")  # in the names of tables of positions
ORT_WITHOUT_DOMAIN = ("SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization")


class WrongShape(JitwebError):
    """A shape for no input, or one that doesn't fit it; `reason` is without what was typed."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_onnx(
    path: Path, shapes: Mapping[str, Sequence[int]], values: Values | None = None
) -> onnx.ModelProto:
    """The model with its external data, every input of a static shape, and some of fixed values.

    Raises:
        JitwebError: it is missing, damaged, too large, refers to files elsewhere, or lacks shapes.
    """
    model = load_onnx(path)
    fix_inputs(model, shapes, values or {})
    return model


def load_onnx(path: Path) -> onnx.ModelProto:
    """The model with its external data, as it is.

    Raises:
        JitwebError: it is missing, damaged, too large, or refers to files elsewhere.
    """
    model = _parse(path)
    check_places(model, path)
    _load_external(model, path)
    check_tensors(tensors_of(model))
    _check_graph(model, model, path)
    return model


def read_outline(path: Path, largest: int = SMALL) -> onnx.ModelProto:
    """The model as `read_onnx` reads it, but weights of more elements than that have no data.

    Raises:
        JitwebError: it is missing, damaged, too large, or refers to files elsewhere.
    """
    model = _parse(path)
    check_places(model, path)
    _take_constants(model.graph, largest)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) > largest:
            check_tensors([] if is_outline(tensor) else [tensor])
            tensor.CopyFrom(outline(tensor.name, tensor.data_type, tensor.dims))
    _load_external(model, path)
    check_tensors(tensor for tensor in tensors_of(model) if not is_outline(tensor))
    outlined = onnx.ModelProto()  # as the checker takes it: with inputs in their place
    outlined.CopyFrom(model)
    del outlined.graph.initializer[:]
    given = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if not is_outline(tensor):
            outlined.graph.initializer.add().CopyFrom(tensor)
        elif tensor.name not in given:
            outlined.graph.input.append(outline_input(tensor))
    _check_graph(model, outlined, path)
    return model


def _load_external(model: onnx.ModelProto, path: Path) -> None:
    """Read the external data of all tensors that name a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys that nobody knows
            for tensor in tensors_of(model):
                if tensor.external_data and is_outline(tensor):
                    load_external_data_for_tensor(tensor, str(path.parent))
                    tensor.data_location = onnx.TensorProto.DEFAULT
                    del tensor.external_data[:]
    except (OSError, ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        raise JitwebError(f"{path}: its external data can't be read: {first_line(error)}") from None


def _take_constants(graph: onnx.GraphProto, largest: int) -> None:
    """Make weights of the Constants of more elements than that, as Paddle's exporter has them."""
    for node in list(graph.node):
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value" and math.prod(attribute.t.dims) > largest:
                attribute.t.name = node.output[0]
                graph.initializer.append(attribute.t)
                graph.node.remove(node)


def _check_graph(model: onnx.ModelProto, checked: onnx.ModelProto, path: Path) -> None:
    """Check the graph; `checked` is the model in the form that ONNX's checker is given."""
    for each in (model,) if model is checked else (model, checked):
        _sort(each.graph)
        _name_domains(each)
    _check_versions(model, path)
    check_wiring(model)
    try:
        onnx.checker.check_model(checked)
    except onnx.checker.ValidationError as error:
        _check_known(checked, path)
        if DEPRECATED not in str(error):  # as GroupNormalization of opset 18 is, which a rule takes
            reason = " ".join(str(error).split())[:LONGEST_REASON]
            raise JitwebError(f"{path} is not a valid ONNX model: {reason}") from None
    except Exception:  # ValueError or protobuf's own: too large, as the checker takes 2 GiB at most
        pass
    check_types((*model.graph.input, *model.graph.output))
    check_functions(model)
    check_choices(model.graph.node)
    for function in model.functions:
        check_choices(function.node)


def _parse(path: Path) -> onnx.ModelProto:
    try:
        if path.is_dir():
            raise JitwebError(f"{path} is a folder; name the .onnx file")
        if path.exists() and not path.is_file():
            raise JitwebError(f"{path} is not a regular file; save the model to one")
        if path.stat().st_size > MOST_FILE_BYTES:
            raise JitwebError(f"{path} is larger than 2 GiB, which no ONNX file is; check its name")
        content = read_bounded(path, MOST_FILE_BYTES)
    except FileNotFoundError:
        raise JitwebError(f"{path} does not exist; name the model's .onnx file") from None
    except OSError as error:
        raise JitwebError(f"{path} can't be read: {error.strerror}") from None
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf's DecodeError, which has no public home
        raise JitwebError(f"{path} {looks_like(content)}") from None
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_value < 0:  # which old exporters write for an open one
                dimension.Clear()
    if not model.graph.node or not model.graph.output:
        empty = "is damaged, or has a graph without nodes or outputs; export the model again"
        raise JitwebError(f"{path} {empty if model.graph.ByteSize() else looks_like(content)}")
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
    except CycleError:  # perhaps of names that are a branch's own
        _refuse_circles(graph, makers)
        return
    nodes = [graph.node[place] for place in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _refuse_circles(graph: onnx.GraphProto, makers: Mapping[str, int]) -> None:
    """Raises: JitwebError, if nodes read each other's results, but for those of their branches."""
    needs = [{makers[name] for name in node.input if name in makers} for node in graph.node]
    try:
        TopologicalSorter(dict(enumerate(needs))).prepare()
    except CycleError as error:
        listed = ", ".join(node_text(graph.node[place]) for place in error.args[1][1:][:MOST_NODES])
        raise JitwebError(
            f"these nodes read each other's results, in a circle: {listed}; export the model again"
        ) from None


def check_wiring(model: onnx.ModelProto) -> None:
    """Check that what the graph's nodes read and its outputs are is made, and inputs have shapes.

    Raises:
        JitwebError: with the node's name.
    """
    graph = model.graph
    for value in graph_inputs(model):
        kind = value.type
        if kind.WhichOneof("value") == "tensor_type" and not kind.tensor_type.HasField("shape"):
            raise JitwebError(
                f"the input {value.name} has no shape; export the model with one, whose sizes may "
                "be open (dynamic axes)"
            )
    domains = {opset.domain for opset in model.opset_import} | set(STANDARD)
    given = {each.name for each in (*graph.input, *graph.initializer)}
    given |= {each.values.name for each in graph.sparse_initializer}
    made = given | {name for node in graph.node for name in node.output}
    for node in graph.node:
        if node.domain not in domains:
            raise JitwebError(
                f"{node_text(node)} is of the domain {node.domain}, which the model does not name; "
                f'add it: model.opset_import.add(domain="{node.domain}", version=1)'
            )
        lost = [name for name in node.input if name and name not in made]
        if lost:
            raise JitwebError(
                f"{node_text(node)} reads {lost[0]}, which no node makes; export the model again"
            )
    for value in graph.output:
        if value.name not in made:
            raise JitwebError(
                f"the output {value.name} is made by no node; export the model again, or take it "
                "off model.graph.output"
            )


def _name_domains(model: onnx.ModelProto) -> None:
    """Give onnxruntime's operators their domain, where its optimizer wrote them without one."""
    found = [node for node in model.graph.node if node.op_type in ORT_WITHOUT_DOMAIN]
    for node in found:
        node.domain = CONTRIB
    if found and not any(each.domain == CONTRIB for each in model.opset_import):
        model.opset_import.add(domain=CONTRIB, version=1)


def _check_known(model: onnx.ModelProto, path: Path) -> None:
    """Check that ONNX knows the operators of its own domain."""
    own = {(function.domain, function.name) for function in model.functions}
    unknown = [
        node_text(node)
        for node in model.graph.node
        if node.domain in STANDARD
        and (node.domain, node.op_type) not in own
        and not onnx.defs.has(node.op_type, node.domain)
    ]
    if unknown:
        listed = ", ".join(unknown[:MOST_NODES])
        raise JitwebError(
            f"{path} has operators that ONNX {onnx.__version__} does not know: {listed}; "
            "export the model with standard operators, or update onnx"
        )


def _check_versions(model: onnx.ModelProto, path: Path) -> None:
    """Check the versions, which mean nothing to the checker where they are newer than it."""
    if model.ir_version > onnx.IR_VERSION:
        raise JitwebError(
            f"{path} is of IR version {model.ir_version}, and the installed onnx knows "
            f"{onnx.IR_VERSION}: {NEWER} save it in that one: model = onnx.load_model(file); "
            f"model.ir_version = {onnx.IR_VERSION}; onnx.save(model, file)"
        )
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in STANDARD and opset.version > newest:
            raise JitwebError(
                f"{path} is of opset {opset.version}, and the installed onnx knows {newest}: "
                f"{NEWER} export the model with an older opset, such as {OPSET}"
            )


def fix_inputs(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], values: Values) -> None:
    """Fix shapes and values of inputs; a shape may be of one that the values leave unread.

    Raises:
        JitwebError: a shape or a value doesn't fit, or an input that is left remains symbolic.
    """
    give_shapes(model, shapes)
    fix_values(model, values)
    fix_shapes(model, {})


def fix_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give inputs the shapes that are asked for.

    Raises:
        JitwebError: a shape is for no input or doesn't fit it, or an input remains symbolic.
    """
    give_shapes(model, shapes)
    inputs = {value.name: value for value in graph_inputs(model)}
    missing = example_shapes(model)
    if missing:
        listing = ", ".join(shape_text(inputs[name]) for name in missing)
        raise JitwebError(f"fix the shapes of {listing}, for example: {shape_options(missing)}")
    for value in inputs.values():
        elements = math.prod(each.dim_value for each in _dimensions(value))
        if not elements:
            raise JitwebError(
                f"the input {shape_text(value)} has no elements; export the model without it, or "
                "with a cache of at least one token"
            )
        if elements * LEAST_ELEMENT_BYTES > MOST_WEIGHT_BYTES:
            raise JitwebError(
                f"the input {shape_text(value)} has {elements} elements, and WebAssembly's memory "
                "ends at 4 GiB; use a smaller shape"
            )


def fitting_shape(value: onnx.ValueInfoProto, wanted: Sequence[int]) -> str:
    """What to do about a shape that doesn't fit the input: the nearest one that does, or none."""
    dimensions = value.type.tensor_type.shape.dim
    if all(dimension.HasField("dim_value") for dimension in dimensions):
        size = "x".join(str(dimension.dim_value) for dimension in dimensions) or "scalar"
        return f"it is fixed at {size} in the file: leave --shape out, or export with dynamic axes"
    asked = [*wanted, *[1] * len(dimensions)]
    sides = [
        dimension.dim_value if dimension.HasField("dim_value") else extent
        for dimension, extent in zip(dimensions, asked, strict=False)
    ]
    return f"for example: --shape {value.name}={'x'.join(map(str, sides))}"


def give_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give these inputs their shapes, and others what has a name in common with an open dimension.

    Raises:
        JitwebError: a shape is for no input, or doesn't fit it.
    """
    inputs = {value.name: value for value in graph_inputs(model)}
    known: dict[str, int] = {}
    for name in shapes:
        if name not in inputs:
            given = f"{name}={'x'.join(map(str, shapes[name]))}"
            reason = no_input(name, inputs)
            raise WrongShape(f"--shape {given}: {reason}", reason)
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
                reason = f"{name}={asked} does not fit {shape_text(value)}"
                raise WrongShape(f"--shape {reason}; {fitting_shape(value, wanted)}", reason)
            for dimension, extent in zip(dimensions, wanted, strict=True):
                known[dimension.dim_param] = extent
                give_size(dimension, extent)
    for name, value in inputs.items():
        for dimension in value.type.tensor_type.shape.dim if name not in shapes else ():
            if dimension.dim_param and dimension.dim_param in known:
                give_size(dimension, known[dimension.dim_param])
    if shapes:
        del model.graph.value_info[:]  # they may still hold the symbols


def _dimensions(value: onnx.ValueInfoProto) -> Sequence[onnx.TensorShapeProto.Dimension]:
    return value.type.tensor_type.shape.dim


def longest_sequence(model: onnx.ModelProto) -> int:
    """The length to suggest for a sequence: no longer than a table of positions.

    Of BART and RoBERTa the first two rows are for no position: 2 more than a multiple of 8.
    """
    tables = (
        tensor.dims[0] - (2 if tensor.dims[0] % 8 == 2 else 0)
        for tensor in model.graph.initializer
        if len(tensor.dims) == 2 and any(word in tensor.name.lower() for word in POSITIONS)
    )
    return min((rows for rows in tables if rows > 1), default=USUAL_LENGTH)


def example_shapes(
    model: onnx.ModelProto, longest: int = USUAL_LENGTH
) -> dict[str, tuple[int, ...]]:
    """A shape for each input that has none yet, as far as the names of dimensions say."""
    inputs, length = graph_inputs(model), min(longest, USUAL_LENGTH)
    dimensions = [each for value in inputs for each in _dimensions(value)]
    sizes = _sizes([each.dim_param for each in dimensions], length)
    has_past = any("past" in each.dim_param for each in dimensions)

    def size(name: str, axis: int, dimension: onnx.TensorShapeProto.Dimension) -> int:
        if dimension.dim_value:
            return int(dimension.dim_value)
        if axis and has_past and "attention_mask" in name:  # of the past too, whatever it is called
            return length
        return sizes.get(dimension.dim_param) or (length if axis else 1)

    return {
        value.name: tuple(
            size(value.name, axis, each) for axis, each in enumerate(_dimensions(value))
        )
        for value in inputs
        if not is_static(value)
    }


def _sizes(names: Sequence[str], length: int) -> dict[str, int]:
    """Sizes for named dimensions; one that is a sum of others has theirs."""
    has_past = any("past" in name and "+" not in name for name in names)
    sizes: dict[str, int] = {}
    for name in names:
        low = name.lower()
        for words, size in DIMENSIONS:
            if any(word in low for word in words):
                sizes[name] = size
                break
        if has_past and "total" in low:
            sizes[name] = length
        elif has_past and any(word in low for word in ("past", "seq", "length")):
            sizes[name] = length - 1 if "past" in low else 1
    for name in names:
        if "+" in name:
            parts = [part.strip(" ()") for part in name.split("+")]
            sizes[name] = sum(int(p) if p.isdecimal() else _part(p, sizes, length) for p in parts)
    return sizes


def _part(name: str, sizes: Mapping[str, int], length: int) -> int:
    """The size of a part of a sum; a past that no input has is none, a sequence the usual."""
    low = name.lower()
    usual = 0 if "past" in low else length if "seq" in low else 1
    return sizes.get(name, usual)


def shape_options(shapes: Mapping[str, Sequence[int]]) -> str:
    """The options that fix these shapes."""
    return " ".join(f"--shape {name}={'x'.join(map(str, each))}" for name, each in shapes.items())
