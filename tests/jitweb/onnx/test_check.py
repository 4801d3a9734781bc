"""Models that nobody exported: each is refused in one line, before anything grows without end."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from jitweb.errors import JitwebError
from jitweb.model import import_model
from jitweb.overview import overview

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
SIZE = numpy_helper.from_array(np.array([1 << 40], np.int64), "size")


def saved(path: Path, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto]) -> Path:
    """A model of the input x and the output y."""
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(nodes, "g", [X], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def refused(path: Path) -> str:
    """What `tune` says of it."""
    with pytest.raises(JitwebError) as caught:
        import_model(path)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def refused_by_both(path: Path) -> str:
    """What `tune` says of it, where `inspect`, which reads no large weights, says the same."""
    with pytest.raises(JitwebError) as caught:
        overview(path, {}, largest=0)
    assert str(caught.value) == refused(path)
    return str(caught.value)


def weight(data: bytes, kind: int = TensorProto.FLOAT, size: int = 1) -> onnx.TensorProto:
    return TensorProto(name="w", data_type=kind, dims=[size], raw_data=data)


def external(location: str) -> onnx.TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


@pytest.mark.parametrize("is_attribute", [False, True], ids=["weight", "attribute"])
@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (weight(b"1234", kind=999), "the tensor w is damaged"),
        (weight(b"12345678"), "the tensor w is damaged"),
        (external("huge"), "WebAssembly's memory ends at 4 GiB"),
        (external("../outside"), "outside of the model's folder"),
        (external("n" * 300), "can't be read: File name too long"),
    ],
)
def test_a_tensor_has_the_data_that_it_asks_for(
    tmp_path: Path, tensor: onnx.TensorProto, words: str, is_attribute: bool
) -> None:
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(10 << 30)
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    if is_attribute:
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
    weights = [] if is_attribute else [tensor]
    assert words in refused_by_both(saved(tmp_path / "m.onnx", nodes, weights))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.STRING, 999])
@pytest.mark.parametrize("shape", [[3], [-2], [1 << 60], [1 << 31, 1 << 31], [1 << 62] * 3])
def test_a_shape_asks_for_no_more_than_the_file_has(
    tmp_path: Path, kind: int, shape: list[int]
) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(8))
    outside = external("w.bin")
    for tensor in (outside, weight(bytes(8))):
        tensor.data_type = kind
        tensor.dims[:] = shape
        path = saved(tmp_path / "m.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], [tensor])
        words = "weight w can't be read" if tensor is outside else "tensor w is damaged|Negative"
        assert re.search(words, refused_by_both(path))


@pytest.mark.parametrize(
    ("name", "value"),
    [("offset", text) for text in ("-4", "1e9", "9" * 20, "1", "\u0660")]
    + [("length", text) for text in ("-1", "", "9" * 5000, "3", " 4")],
)
def test_a_part_of_a_file_is_one_that_it_has(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(4))
    tensor = external("w.bin")
    tensor.external_data.add(key=name, value=value)
    path = saved(tmp_path / "m.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], [tensor])
    assert "the weight w can't be read" in refused_by_both(path)


def test_an_operator_that_onnx_does_not_know_is_named_by_its_node(tmp_path: Path) -> None:
    nodes = [helper.make_node("FancyAttention", ["x"], ["y"], name="layer0/fancy")]
    message = refused_by_both(saved(tmp_path / "m.onnx", nodes, []))
    assert "layer0/fancy (FancyAttention)" in message and "update onnx" in message


def test_what_onnx_says_of_a_graph_is_shown_to_its_end(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "nowhere"], ["y"], name="lost")]
    message = refused_by_both(saved(tmp_path / "m.onnx", nodes, []))
    assert "nowhere" in message and "lost" in message and "\n" not in message


def test_an_input_is_of_a_type_that_there_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], [])
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = 99
    path.write_bytes(model.SerializeToString())
    assert "x is of an unknown type" in refused_by_both(path)


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Expand", ["x", "size"], ["y"])],
        [helper.make_node("Tile", ["x", "size"], ["y"])],
        [helper.make_node("ConstantOfShape", ["size"], ["t"])]
        + [helper.make_node("Add", ["x", "t"], ["y"])],
    ],
    ids=["computed", "repeated", "constant"],
)
def test_no_value_is_larger_than_memory(tmp_path: Path, nodes: list[onnx.NodeProto]) -> None:
    assert "has 1099511627776 elements" in refused(saved(tmp_path / "m.onnx", nodes, [SIZE]))


def test_no_constant_is_larger_than_protobuf_can_hold(tmp_path: Path) -> None:
    """It would be a segmentation fault."""
    nodes = [helper.make_node("ConstantOfShape", ["size"], ["t"])]
    nodes += [helper.make_node("Add", ["x", "t"], ["y"])]
    size = numpy_helper.from_array(np.array([1 << 29], np.int64), "size")
    path = saved(tmp_path / "m.onnx", nodes, [size])
    assert "the constant t is larger than 2 GiB" in refused(path)


def test_functions_that_double_at_each_call_are_not_inlined(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [helper.make_node("F0", ["x"], ["y"], domain="d")], [])
    model = onnx.load(path)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("d", 1)]
    model.opset_import.append(opsets[1])
    for level in range(30):
        callee, domain = (f"F{level + 1}", "d") if level < 29 else ("Relu", "")
        nodes = [
            helper.make_node(callee, [source], [result], domain=domain)
            for source, result in (("x", "t"), ("t", "y"))
        ]
        model.functions.append(helper.make_function("d", f"F{level}", ["x"], ["y"], nodes, opsets))
    path.write_bytes(model.SerializeToString())
    assert "functions are more than" in refused(path)
