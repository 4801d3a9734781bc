"""What a newcomer gives first: each refusal is a line that names the thing and says what to do."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from jitweb import relax_graph
from jitweb.cli import main
from jitweb.errors import JitwebError
from jitweb.model import import_model
from jitweb.overview import overview
from tests.command import run_command
from tests.jitweb.onnx.exports import FOLDER
from tests.jitweb.onnx.models import model_of, node

FLOATS = np.ones((1, 3, 8, 8), np.float32)


def refused(path: Path) -> str:
    """What `tune` and `inspect` both say of a file."""
    with pytest.raises(JitwebError) as caught:
        import_model(path)
    message = str(caught.value)
    try:
        said = overview(path, {}).problem
    except JitwebError as error:
        said = str(error)
    assert said == message and "\n" not in message and "report" not in message
    return message


def refused_model(folder: Path, model: onnx.ModelProto) -> str:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return refused(path)


@pytest.mark.once
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["m.onnx is empty", "download it again"]),
        (b"\n <!DOCTYPE html>\n<title>404</title>", ["a web page", "download the file itself"]),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", ["Git LFS", "lfs pull"]),
        (b"PK\x03\x04" + bytes(60), ["a zip archive", "unpack it"]),
        (b"PK\x03\x04" + bytes(26) + b"m/data.pkl", ["PyTorch", "torch.onnx.export"]),
        (b"\x1f\x8b\x08" + bytes(60), ["gzip", "unpack it"]),
        (bytes(257) + b"ustar", ["a tar archive"]),
        (b"GGUF" + bytes(60), ["llama.cpp", "export the model to ONNX"]),
        (struct.pack("<Q", 9) + b'{"a": {}}', ["safetensors", "export the model to ONNX"]),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), ["Keras", "tf2onnx"]),
        (bytes(4) + b"TFL3" + bytes(60), ["TensorFlow Lite", "tf2onnx"]),
        (b'{"error": "gone"}', ['a text and not a model: it begins with "{"error"', "again"]),
        ("é".encode() * 4095, ['it begins with "éé']),
        (bytes(999), ["is zeros where it begins", "interrupted"]),
        (b"\x01\xfe" * 40, ["not an ONNX file, or is damaged or cut short", "again"]),
    ],
)
def test_a_file_that_is_not_onnx_is_called_what_it_looks_like(
    content: bytes, words: Sequence[str], tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    message = refused(path)
    assert message.startswith(f"{path} is ") and all(word in message for word in words), message


@pytest.mark.once
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (TensorProto.STRING, "(string); leave the processing of text out of the model"),
        (TensorProto.DOUBLE, "(double); export the model in float32"),
        *(
            (getattr(TensorProto, name), f"({name.lower()}); export the model with float32, int32")
            for name in ("UINT16", "COMPLEX64", "FLOAT8E4M3FN", "UINT4", "UINT64")
        ),
    ],
)
def test_an_input_or_output_of_a_type_that_is_not_taken_is_named(
    kind: int, words: str, tmp_path: Path
) -> None:
    for name, node_, ends in (
        ("input x", node("Identity", ["x"], ["y"]), (kind, kind)),
        ("output y", node("Cast", ["x"], ["y"], to=kind), (TensorProto.FLOAT, kind)),
        ("input x", node("Constant", [], ["y"], value_float=1.0), (kind, TensorProto.FLOAT)),
    ):
        x, y = (
            helper.make_tensor_value_info(each, end, [2])
            for each, end in zip("xy", ends, strict=True)
        )
        model = helper.make_model(
            helper.make_graph([node_], "g", [x], [y]),
            opset_imports=[helper.make_opsetid("", 21)],
            ir_version=10,
        )
        expected = f"the {name} is of a type that is not supported {words}"
        assert refused_model(tmp_path, model).startswith(expected)


@pytest.mark.once
def test_an_input_that_is_no_tensor_is_named(tmp_path: Path) -> None:
    model = model_of([node("SequenceAt", ["x", "i"], ["y"])], {}, ["y"], {"i": np.array(0)})
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [2]))
    model.graph.input.append(helper.make_value_info("x", kind))
    model.graph.output[0].type.tensor_type.shape.Clear()
    message = refused_model(tmp_path, model)
    assert message == "x is a sequence; export the model with tensors alone, one for each part"


@pytest.mark.once
def test_a_node_that_computes_strings_is_named(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["x"], ["text"], "spell", to=TensorProto.STRING),
        node("Cast", ["text"], ["y"], to=TensorProto.FLOAT),
    ]
    message = refused_model(tmp_path, model_of(nodes, {"x": FLOATS}, ["y"]))
    assert message.startswith("spell (Cast) computes strings") and "leave the processing" in message


@pytest.mark.once
@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_kernel_that_can_not_be_read_is_named_by_its_node(
    is_renamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kernel's name, and, where that says nothing, by the first node that has such a one."""
    if is_renamed:
        monkeypatch.setattr(relax_graph._GraphReader, "_nodes_of", lambda self, kernel: [])
    nodes = [
        node("Relu", ["b"], ["boxes"], "relu"),
        node("NonMaxSuppression", ["boxes", "s", "most"], ["y"], "/nms/NMS"),
    ]
    inputs = {"b": np.ones((1, 4, 4), np.float32), "s": np.ones((1, 1, 4), np.float32)}
    model = model_of(nodes, inputs, ["y"], {"most": np.array([3], np.int64)})
    message = refused_model(tmp_path, model)
    assert message.startswith("operators that are not supported: /nms/NMS (NonMaxSuppression); ")


@pytest.mark.once
@pytest.mark.parametrize("place", ["graph", "branch", "function"])
def test_a_word_that_onnx_does_not_know_is_refused_with_those_that_it_does(
    place: str, tmp_path: Path
) -> None:
    """onnxruntime refuses it, and nobody can know what was meant."""
    bad = node("MaxPool", ["x"], ["p"], "pool", kernel_shape=[2, 2], auto_pad="SAME")
    last, functions = node("Relu", ["p"], ["y"]), []
    nodes = [bad, last]
    if place == "branch":
        empty = helper.make_graph([bad], "b", [], [onnx.ValueInfoProto(name="p")])
        nodes = [node("If", ["c"], ["y"], then_branch=empty, else_branch=empty)]
    if place == "function":
        opset = helper.make_opsetid("", 17)
        functions = [helper.make_function("own", "Pool", ["x"], ["p"], [bad], [opset])]
        nodes = [node("Pool", ["x"], ["p"], domain="own"), last]
    model = model_of(nodes, {"x": FLOATS}, ["y"], {"c": np.array(True)}, functions=functions)
    message = refused_model(tmp_path, model)
    assert message.startswith("pool (MaxPool) has auto_pad='SAME', which ONNX does not know")
    assert "one of NOTSET, SAME_UPPER, SAME_LOWER, VALID" in message


@pytest.mark.once
def test_versions_that_are_too_new_are_refused_with_what_to_do(tmp_path: Path) -> None:
    model = model_of([node("Relu", ["x"], ["y"])], {"x": FLOATS}, ["y"])
    model.ir_version = 99
    message = refused_model(tmp_path, model)
    assert "IR version 99" in message and "pip install -U onnx" in message
    assert f"model.ir_version = {onnx.IR_VERSION}; onnx.save" in message
    model.ir_version = 9
    model.opset_import[0].version = 99
    message = refused_model(tmp_path, model)
    assert "opset 99" in message and "pip install -U onnx" in message and "older opset" in message


@pytest.mark.once
def test_weights_that_are_missing_are_named_with_the_model(tmp_path: Path) -> None:
    weights = {"w": np.ones((8, 3), np.float32), "v": np.ones((8, 3), np.float32)}
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["x", "v"], ["b"])]
    nodes.append(node("Add", ["a", "b"], ["y"]))
    model, path = model_of(nodes, {"x": FLOATS}, ["y"], weights), tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").unlink()
    message = refused(path)
    assert f"{path} keeps its weights in m.data, which is missing" in message
    assert message.endswith(f"put it at {tmp_path / 'm.data'}")


@pytest.mark.once
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS"),
        (bytes(40), "is cut short (40 of 192 bytes); download it again"),
    ],
)
def test_weights_that_are_no_weights_are_called_what_they_are(
    content: bytes, words: str, tmp_path: Path
) -> None:
    weights = {"w": np.ones((8, 3), np.float32), "v": np.ones((8, 3), np.float32)}
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["x", "v"], ["b"])]
    nodes.append(node("Add", ["a", "b"], ["y"]))
    model, path = model_of(nodes, {"x": FLOATS}, ["y"], weights), tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").write_bytes(content)
    assert f"{tmp_path / 'm.data'} {words}" in refused(path)


@pytest.mark.once
@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Add", ["x", "i"], ["y"], "mix")], "mix (Add) has operands of float32 and int64, "),
        (
            [node("Softmax", ["x"], ["y"], "soft", axis=7)],
            "soft (Softmax) has the axis 7, and ",
        ),
        (
            [node("Add", ["x", "three"], ["y"], "sum")],
            "sum (Add) has operands of 2x4 and 3, which don't fit together; export the model again",
        ),
        ([node("Add", ["x", "q"], ["y"], "lost")], "lost (Add) reads q, which no node makes; "),
        ([node("Relu", ["x"], ["z"], "relu")], "the output y is made by no node; "),
        (
            [node("Add", ["x", "b"], ["a"], "one"), node("Relu", ["a"], ["b"], "two")]
            + [node("Relu", ["b"], ["y"])],
            "these nodes read each other's results, in a circle: ",
        ),
    ],
)
def test_a_node_that_can_not_be_is_named_with_why(
    nodes: Sequence[onnx.NodeProto], words: str, tmp_path: Path
) -> None:
    inputs = {"x": TensorProto.FLOAT, "i": TensorProto.INT64}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, [2, 4]) for name, kind in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [onnx.numpy_helper.from_array(np.ones(3, np.float32), "three")],
    )
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    message = refused_model(tmp_path, model)
    assert words in message and "--shape" not in message


@pytest.mark.once
def test_a_domain_that_is_not_named_and_an_input_without_a_shape_are_refused(
    tmp_path: Path,
) -> None:
    model = model_of([node("Relu", ["x"], ["y"], "act")], {"x": FLOATS}, ["y"])
    model.graph.node[0].domain = "own"
    message = refused_model(tmp_path, model)
    assert message.startswith("act (Relu) is of the domain own, which the model does not name")
    model.graph.node[0].domain = ""
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert refused_model(tmp_path, model).startswith("the input x has no shape; export the model")


@pytest.mark.once
def test_inspect_shows_an_open_length_by_its_name(tmp_path: Path) -> None:
    model = model_of([node("Relu", ["x"], ["y"])], {"x": np.ones((1, 4), np.float32)}, ["y"])
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[1].dim_param = "length"
    onnx.save(model, tmp_path / "m.onnx")
    said = run_command(main, "inspect", tmp_path / "m.onnx", "--shape", "x=1xN:512")
    assert said.returncode == 0 and "float32 1 x N (1 to 512)\n" in said.stdout
    assert "at N=512\n" in said.stdout


@pytest.mark.once
def test_a_model_that_was_saved_without_its_data_is_not_called_damaged() -> None:
    message = refused(FOLDER / "bert.legacy-eager-14.onnx")
    assert "holds no data of the weight" in message and "more: it was saved for its" in message


@pytest.mark.once
@pytest.mark.parametrize("option", ["--shape", "--set"])
def test_an_option_for_an_unknown_input_is_refused_with_the_inputs(
    option: str, tmp_path: Path
) -> None:
    names = [f"cache.{number}" for number in range(20)]
    shape = np.ones((1, 2), np.float32)
    model = model_of([node("Concat", names, ["y"], axis=0)], dict.fromkeys(names, shape), ["y"])
    onnx.save(model, tmp_path / "m.onnx")
    for command in ("tune", "inspect"):
        said = run_command(main, command, tmp_path / "m.onnx", option, "ids=1")
        assert said.returncode == 2 and said.stderr.startswith(f"jitweb: {option} ids")
        assert "there is no input ids; the model's inputs are cache.0, cache.1, " in said.stderr
        assert said.stderr.endswith("cache.11 and 8 more\n")


@pytest.mark.once
def test_inspect_says_first_why_a_model_can_not_be_tuned(tmp_path: Path) -> None:
    model = model_of([node("Relu", ["x"], ["y"])], {"x": FLOATS}, ["y"])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, tmp_path / "m.onnx")
    said = run_command(main, "inspect", tmp_path / "m.onnx")
    assert said.returncode == 2 and "needs      --shape x=1x3x8x8" in said.stdout
    assert said.stderr == (
        "jitweb: fix the shapes of x (batchx3x8x8), for example: --shape x=1x3x8x8\n"
    )


@pytest.mark.once
def test_only_a_bundle_that_is_there_takes_another_s_place(tmp_path: Path) -> None:
    """A `tune` that is refused says nothing of the folder that it leaves as it is."""
    for name in ("first", "second"):
        model = model_of([node("Relu", ["x"], ["y"])], {"x": FLOATS}, ["y"])
        onnx.save(model, tmp_path / f"{name}.onnx")
    tune = ["tune", "--device", "none", "-o", tmp_path / "out"]
    assert run_command(main, *tune, tmp_path / "first.onnx").returncode == 0
    wrong = run_command(main, *tune, tmp_path / "second.onnx", "--shape", "z=1")
    assert wrong.returncode == 2 and "place" not in wrong.stderr
    done = run_command(main, *tune, tmp_path / "second.onnx")
    assert f"{tmp_path / 'out'} held first for wasm; this bundle took its place" in done.stderr
