"""One forward pass that makes a graph plain: static types, no computed shapes, one opset.

Each node, in order, is rewritten by a rule where there is one (an operator of another opset, or a
fused one), or replaced by a constant where all that it computes from is known, or kept with its
type. As every input has a fixed shape, a Shape is a constant, and so is what exporters compute from
it: ranges, masks, the operands of Reshape, Expand and Slice, the condition of an If. A rule emits
its nodes through the same pass, so it can ask for the shape and the value of anything before them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper
from onnx.reference import ReferenceEvaluator

from jitweb.errors import JitwebError
from jitweb.onnx.branches import LOOPS
from jitweb.onnx.cast_weights import note_bytes
from jitweb.onnx.check import MOST_WEIGHT_BYTES, check_constant
from jitweb.onnx.graph import (
    OPSET,
    OWN,
    STANDARD,
    Graph,
    is_outline,
    names_read,
    outline,
    outline_input,
)
from jitweb.onnx.loops import written_out
from jitweb.onnx.rules import rule_for
from jitweb.onnx.widen import SHORT, SHORT_BITS, widen_node, widened, widened_type

# What is random is drawn at each run.
NOT_FOLDED = frozenset(
    "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial "
    "Bernoulli Dropout Loop Scan If Optional SequenceEmpty".split()
)
# What leaves the elements of a weight what they are.
MOVES = frozenset("Transpose Reshape Slice Split Concat Squeeze Unsqueeze Flatten Expand".split())
MOST_ELEMENTS = MOST_WEIGHT_BYTES // 4
MOST_INFERRED = 4096  # elements of a constant that the inference of shapes may look at


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in opset OPSET of the standard domain, with constants folded and types inferred.

    Its inputs must have static shapes; they and the outputs stay, as do operators that no rule
    knows. The weights are not copied.
    """
    if model.functions:
        model = inlined(model)
    return _Simplifier(model).simplified()


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without local functions; its weights take no part, as 2 GB can't be serialised."""
    weights = list(model.graph.initializer)
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.initializer[:]
    part = inliner.inline_local_functions(part)
    part.graph.initializer.extend(weights)
    return part


class _Simplifier(Graph):
    def __init__(self, model: onnx.ModelProto) -> None:
        opsets = {each.domain: each.version for each in model.opset_import}
        super().__init__({**opsets, "": max(opsets.get(each, 0) for each in STANDARD)})
        self.model = model
        self.renamed: dict[str, str] = {}
        self._outlines: dict[str, list[str]] = {}
        self._folded = 0  # elements of constants that were computed

    def simplified(self) -> onnx.ModelProto:
        graph = self.model.graph
        for tensor in graph.initializer:
            self.constants[tensor.name] = self._weight(tensor)
        for value in graph.input:
            if value.name not in self.constants:
                self.types[value.name] = widened_type(value.type)
        for node in graph.node:
            self._take(node, {})
        outputs = [self._output(value) for value in graph.output]
        return self._made(outputs)

    def _weight(self, tensor: onnx.TensorProto) -> onnx.TensorProto:
        if not is_outline(tensor):
            return widened(tensor)
        self.is_outlined = True
        empty = widened(onnx.TensorProto(data_type=tensor.data_type, dims=[0]))
        bits = SHORT_BITS if tensor.data_type in SHORT else 0
        return outline(tensor.name, empty.data_type, tensor.dims, bits)

    def _take(self, node: onnx.NodeProto, scope: Mapping[str, str]) -> None:
        """Process a node of the model; `scope` renames what is local to a branch."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        widen_node(copy)
        local = {name: self.renamed.get(found, found) for name, found in scope.items()}
        names = {**self.renamed, **local}
        _rename(copy, names)
        self._prefix = node.name or next((name for name in node.output if name), node.op_type)
        results = self.add(copy, is_made=False)
        for wanted, found in zip(copy.output, results, strict=False):
            if wanted and wanted != found:
                self.renamed[wanted] = found

    def add(self, node: onnx.NodeProto, is_made: bool) -> list[str]:
        """Process a node whose inputs are final names; returns the names of its results."""
        if node.domain in STANDARD:
            node.domain = ""
        opset = OPSET if is_made else self.opsets.get(node.domain, 1)
        rule = rule_for(node, opset)
        if rule is not None:
            try:
                return list(rule(self, node))
            except ValueError:  # it needs a shape or value that isn't known: leave the node
                pass
        if node.op_type == "If" and self.value(node.input[0]) is not None:
            return self._branch(node)
        if node.op_type in LOOPS and not node.domain:
            results = written_out(self, node, partial(self._iteration, node))
            if results is not None:
                return results
        self._infer(node, opset)
        self._check_sizes(node)
        note_bytes(self, node)
        if self._is_outline(node):
            return self._outline(node)
        if not self._fold(node, opset) and not self._is_empty(node):
            self.nodes.append(node)
            self.producers.update(dict.fromkeys(node.output, node))
        return list(node.output)

    def _check_sizes(self, node: onnx.NodeProto) -> None:
        """Refuse what no memory holds, before a reference computes it or TVM plans it."""
        for name in node.output:
            count = math.prod(self.known_shape(name) or ())
            if count > MOST_ELEMENTS:
                raise JitwebError(
                    f"{name} ({node.op_type}) has {count} elements, and WebAssembly's memory ends "
                    "at 4 GiB; use smaller shapes"
                )

    def _branch(self, node: onnx.NodeProto) -> list[str]:
        """The nodes of the branch that a constant condition takes."""
        condition = bool(np.asarray(self.value(node.input[0])).reshape(-1)[0])
        branches = {each.name: each.g for each in node.attribute}
        return self._inner(
            branches["then_branch" if condition else "else_branch"], node.output[0], {}
        )

    def _iteration(self, node: onnx.NodeProto, number: int, given: Mapping[str, str]) -> list[str]:
        """The results of a loop's body; `given` names what its inputs are."""
        (body,) = (each.g for each in node.attribute if each.name == "body")
        return self._inner(body, f"{next(filter(None, node.output))}/{number}", given)

    def _inner(self, inner: onnx.GraphProto, place: str, given: Mapping[str, str]) -> list[str]:
        """The results of a graph in a node; what it makes is named by the place."""
        prefix = self._prefix
        made = [name for each in inner.node for name in each.output if name]
        local = {**given, **{name: f"{place}/{name}" for name in made}}
        for tensor in inner.initializer:
            local[tensor.name] = f"{place}/{tensor.name}"
            copy = onnx.TensorProto()
            copy.CopyFrom(tensor)
            copy.name = local[tensor.name]
            self.constants[copy.name] = copy
        for each in inner.node:
            self._take(each, local)
        self._prefix = prefix
        names = [local.get(value.name, value.name) for value in inner.output]
        return [self.renamed.get(name, name) for name in names]

    def _fold(self, node: onnx.NodeProto, opset: int) -> bool:
        """Whether the node's results are now constants."""
        if node.op_type in NOT_FOLDED or node.domain:
            return False
        if node.op_type in ("Shape", "Size"):
            shape = self.known_shape(node.input[0])
            if shape is None:
                return False
            attributes = {each.name: each.i for each in node.attribute}
            part = shape[attributes.get("start", 0) : attributes.get("end", len(shape))]
            whole = np.array(np.prod(shape, dtype=np.int64))
            found = [np.array(part, np.int64) if node.op_type == "Shape" else whole]
        else:
            arrays = {name: self.value(name) for name in node.input if name}
            if any(array is None for array in arrays.values()) or _has_graph(node):
                return False
            for name in node.output:  # before they are computed
                check_constant(name, math.prod(self.known_shape(name) or (0,)), self.dtype(name))
            try:
                found = _evaluated(node, arrays, opset)
            except Exception:  # the reference lacks the operator, or refuses its operands
                return False
        for name, array in zip(node.output, found, strict=False):
            if name:
                self._folded += array.size
                if self._folded > MOST_ELEMENTS:
                    raise JitwebError("the model's constants are larger than 4 GiB; use another")
                self._keep(name, np.asarray(array))
        return True

    def _is_outline(self, node: onnx.NodeProto) -> bool:
        """Whether the node's operands are constants, and one without data."""
        is_known = all(name in self.constants for name in node.input if name)
        return (
            is_known
            and any(is_outline(self.constants[name]) for name in node.input if name)
            and all(self.known_shape(name) is not None for name in node.output if name)
        )

    def _outline(self, node: onnx.NodeProto) -> list[str]:
        """The node's results without their data; those of equal nodes are the same."""
        parts = (node.op_type, node.input, node.attribute, len(node.output))
        names = self._outlines.setdefault(str(parts), list(node.output))
        if names == list(node.output):
            outlines = [self.constants[name] for name in node.input if name]
            outlines = [tensor for tensor in outlines if is_outline(tensor)]
            bits = {tensor.doc_string for tensor in outlines if node.op_type in MOVES}
            known = float(bits.pop() or 0) if len(bits) == 1 else 0
            for name in filter(None, names):
                self.constants[name] = outline(name, self.dtype(name), self.shape(name), known)
        return names

    def _infer(self, node: onnx.NodeProto, opset: int) -> None:
        """Note the types of the node's results, as far as ONNX's own inference gives them."""
        types = {}
        for name in names_read(node):
            if name in self.constants:
                tensor = self.constants[name]
                types[name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
            elif name in self.types:
                types[name] = self.types[name]
        data = {
            name: self.constants[name]
            for name in node.input
            if name in self.constants
            and np.prod(self.constants[name].dims) <= MOST_INFERRED
            and not is_outline(self.constants[name])
        }
        try:
            schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
            imports = [helper.make_opsetid("", opset)]
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=imports, ir_version=self.model.ir_version
            )
        except Exception:  # unknown operators, or inputs of unknown types
            return
        self.types.update(found)

    def _is_empty(self, node: onnx.NodeProto) -> bool:
        """Whether all results have no elements, and so are now constants whatever they are of."""
        shapes = {name: self.known_shape(name) for name in node.output if name}
        if any(shape is None or 0 not in shape for shape in shapes.values()):
            return False
        for name, shape in shapes.items():
            dtype = helper.tensor_dtype_to_np_dtype(self.dtype(name))
            self.constants[name] = numpy_helper.from_array(np.empty(shape or 0, dtype), name)
        return True

    def _output(self, value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
        """An output of the model with its static type; a renamed value gets its name again."""
        found = self.renamed.get(value.name, value.name)
        made = onnx.ValueInfoProto()
        made.CopyFrom(value)
        made.type.CopyFrom(widened_type(value.type))
        if found != value.name:
            self.nodes.append(helper.make_node("Identity", [found], [value.name]))
        if self.known_shape(found) is not None:
            made.type.CopyFrom(
                helper.make_tensor_type_proto(self.dtype(found), self.known_shape(found))
            )
        return made

    def _made(self, outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        nodes = _alive(self.nodes, {value.name for value in outputs})
        nodes.sort(key=lambda node: node.domain != OWN)  # weights first: they need no other node
        needed = {name for node in nodes for name in names_read(node)}
        needed |= {value.name for value in outputs}
        inputs = [
            onnx.ValueInfoProto(name=each.name, type=self.types[each.name])
            for each in self.model.graph.input
            if each.name not in self.constants
        ]
        model = onnx.ModelProto(ir_version=max(self.model.ir_version, 9))
        graph = model.graph
        graph.name = self.model.graph.name or "graph"
        graph.node.extend(nodes)
        graph.input.extend(inputs)
        graph.output.extend(outputs)
        weights = [self.constants[name] for name in self.constants if name in needed]
        graph.initializer.extend(tensor for tensor in weights if not is_outline(tensor))
        graph.input.extend(outline_input(tensor) for tensor in weights if is_outline(tensor))
        for node in nodes:
            for name in node.output:
                if name in self.types and name not in {value.name for value in outputs}:
                    graph.value_info.add(name=name, type=self.types[name])
        for domain, version in {**self.opsets, "": OPSET}.items():
            if domain not in STANDARD[1:]:
                model.opset_import.add(domain=domain, version=version)
        if any(node.domain == OWN for node in nodes):
            model.opset_import.add(domain=OWN, version=1)
        return model


def _evaluated(node: onnx.NodeProto, arrays: Mapping[str, Any], opset: int) -> list[np.ndarray]:
    with np.errstate(all="ignore"):
        evaluator = ReferenceEvaluator(node, opsets={"": opset})
        return [np.asarray(each) for each in evaluator.run(None, dict(arrays))]


def _rename(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Replace the names that a node and the graphs in it read, and its outputs in a branch."""
    for side in (node.input, node.output):
        for place, name in enumerate(side):
            if name in names:
                side[place] = names[name]
    for attribute in node.attribute:
        if attribute.HasField("g"):
            local = {each.name for each in (*attribute.g.input, *attribute.g.initializer)}
            local |= {name for inner in attribute.g.node for name in inner.output}
            outer = {name: new for name, new in names.items() if name not in local}
            for inner in attribute.g.node:
                _rename(inner, outer)
            for value in attribute.g.output:
                value.name = outer.get(value.name, value.name)


def _has_graph(node: onnx.NodeProto) -> bool:
    return any(attribute.HasField("g") for attribute in node.attribute)


def _alive(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that an output depends on."""
    needed, kept = set(wanted), []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(names_read(node))
    return kept[::-1]
