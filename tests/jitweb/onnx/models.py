"""Small ONNX models for the importer's tests, and whether a plan computes what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from jitweb.compare import errors
from jitweb.model import import_model
from jitweb.run_plan import run_plan

node = helper.make_node
Arrays = Mapping[str, np.ndarray]


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Arrays,
    outputs: Sequence[str],
    weights: Mapping[str, Any] | None = None,
    opset: int = 17,
    functions: Sequence[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    """A model whose inputs have the shapes and dtypes of these arrays."""
    takes = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(each.dtype), each.shape)
        for name, each in inputs.items()
    ]
    gives = [onnx.ValueInfoProto(name=name) for name in outputs]
    held = [numpy_helper.from_array(np.asarray(w), name) for name, w in (weights or {}).items()]
    domains = dict.fromkeys(each.domain for each in nodes if each.domain)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(each, 1) for each in domains)]
    graph = helper.make_graph(nodes, "test", takes, gives, held)
    model = helper.make_model(graph, ir_version=9, opset_imports=opsets, functions=functions)
    model = onnx.shape_inference.infer_shapes(model)
    for value in model.graph.output:
        kind = value.type.tensor_type
        if not kind.elem_type:  # of an operator that ONNX does not know
            kind.elem_type = onnx.TensorProto.FLOAT
        if not kind.HasField("shape"):
            kind.shape.dim.add(dim_param="open")
    return model


def computed(model: onnx.ModelProto, inputs: Arrays, folder: Path) -> dict[str, np.ndarray]:
    """What the plan of an imported model gives."""
    path = folder / "model.onnx"
    onnx.save(model, path)
    return run_plan(import_model(path), inputs)


def referred(model: onnx.ModelProto, inputs: Arrays) -> dict[str, np.ndarray]:
    """What ONNX's own reference gives."""
    names = [value.name for value in model.graph.output]
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, dict(inputs))
    return dict(zip(names, map(np.asarray, results), strict=True))


def assert_agree(found: Arrays, wanted: Arrays, tolerance: float = 1e-5) -> None:
    """Equal names, shapes and dtypes; integers exactly, floats within a share of the scale."""
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].shape == array.shape and found[name].dtype == array.dtype, name
        assert np.max(errors(found[name], array), initial=0.0) <= tolerance, name


def check(model: onnx.ModelProto, inputs: Arrays, folder: Path) -> None:
    """The imported model gives what ONNX's reference gives."""
    assert_agree(computed(model, inputs, folder), referred(model, inputs))
