"""`inspect` answers for any file: also for one that can't be imported, and without its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from jitweb.errors import JitwebError
from jitweb.model import import_model
from jitweb.output import print_measured, print_overview
from jitweb.overview import overview
from tests.jitweb.onnx.exports import FOLDER, NAMES, filled, kept
from tests.jitweb.onnx.models import model_of, node

BIG = np.ones((700, 300), np.float32)


@pytest.mark.once
@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_those_of_the_import(name: str, tmp_path: Path) -> None:
    """Although the weights are not read."""
    path = tmp_path / "m.onnx"
    onnx.save(filled(FOLDER / f"{name}.onnx"), path)
    _, shapes = kept(name)
    found, plan = overview(path, shapes, largest=64), import_model(path, shapes).plan
    assert found.problem == "" and found.calls == len(plan.calls)
    assert {row["task"] for row in found.kernels} == set(plan.tasks)
    assert sum(row["share"] for row in found.kernels) == pytest.approx(1)


def saved(folder: Path, *nodes: onnx.NodeProto, external: bool = False) -> Path:
    model = model_of(nodes, {"x": np.ones((2, 700), np.float32)}, [nodes[-1].output[0]], {"w": BIG})
    path = folder / "m.onnx"
    onnx.save(model, path, save_as_external_data=external, location="m.bin")
    return path


def test_weights_are_not_read(tmp_path: Path) -> None:
    path = saved(tmp_path, node("MatMul", ["x", "w"], ["y"]), external=True)
    (tmp_path / "m.bin").write_bytes(b"\xff" * BIG.nbytes)  # numbers that are none
    found = overview(path, {})
    assert found.weight_bytes == found.shipped_bytes == BIG.nbytes
    assert [row["family"] for row in found.kernels] == ["matmul"]


def test_what_can_not_be_imported_is_named_with_all_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("NonZero", ["a"], ["b"], "which")]
    nodes.append(node("Det", ["w"], ["y"], "determinant"))
    found = overview(saved(tmp_path, *nodes), {})
    assert found.not_yet == {"Det": ("determinant",)} and "Det (determinant)" in found.problem
    assert found.weight_bytes == BIG.nbytes and found.calls is None
    print_overview(found)
    printed = capsys.readouterr().out
    assert "1 Det: determinant" in printed and max(map(len, printed.splitlines())) <= 80


def test_weights_in_constants_are_weights_and_are_counted_once(tmp_path: Path) -> None:
    """As Paddle's exporter has them; here each is transposed twice."""
    nodes = [
        node("Constant", [], ["c"], value=onnx.numpy_helper.from_array(BIG)),
        node("Gemm", ["x", "c"], ["a"]),
        *(node("Gemm", ["a", "c"], [name], transB=1) for name in ("b", "d")),
        node("Add", ["b", "d"], ["y"]),
    ]
    found = overview(saved(tmp_path, *nodes), {})
    assert found.weight_bytes == 2 * BIG.nbytes  # and w, which nothing reads
    assert found.shipped_bytes == 2 * BIG.nbytes  # as it is, and transposed


def test_a_table_of_positions_bounds_the_shape_that_is_suggested(tmp_path: Path) -> None:
    """And a longer one is refused where the positions are looked up."""
    table = np.ones((34, 8), np.float32)  # the first two rows are for no position, as BART's
    nodes = [
        node("Shape", ["ids"], ["sizes"]),
        node("Gather", ["sizes", "one"], ["length"]),
        node("Range", ["zero", "length", "one"], ["places"]),
        node("Add", ["places", "two"], ["rows"]),
        node("Gather", ["embed_positions", "rows"], ["y"], "look_up"),
        node("Gather", ["y", "ids"], ["z"]),
    ]
    numbers = {"zero": np.array(0), "one": np.array(1), "two": np.array(2)}
    model = model_of(
        nodes, {"ids": np.zeros((1, 4), np.int64)}, ["z"], {"embed_positions": table, **numbers}
    )
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "sequence"
    del model.graph.value_info[:]
    onnx.save(model, tmp_path / "m.onnx")
    assert overview(tmp_path / "m.onnx", {}).needed == "--shape ids=1x32"
    with pytest.raises(
        JitwebError, match=r"look_up \(Gather\) looks up 34 in a table of 34; use a"
    ):
        import_model(tmp_path / "m.onnx", {"ids": (1, 33)})


def test_each_kernel_is_shown_with_what_it_computes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Tanh", ["a"], ["b"]),
        node("Softmax", ["b"], ["y"]),
    ]
    print_overview(overview(saved(tmp_path, *nodes), {}))
    table = capsys.readouterr().out.split("what")[1]
    assert "matmul tanh" in table and "softmax" in table and "2x300" in table


def test_what_inspect_prints_is_at_most_80_columns_wide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_overview(overview(saved(tmp_path, node("MatMul", ["x", "w"], ["y" * 90])), {}))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == [f"outputs    {'y' * 90}"]


def test_shapes_that_are_open_are_suggested(tmp_path: Path) -> None:
    model = model_of([node("Relu", ["x"], ["y"])], {"x": np.ones((1, 2), np.float32)}, ["y"])
    for tensor in (model.graph.input[0], model.graph.output[0]):
        for axis, name in enumerate(("batch_size", "sequence")):
            tensor.type.tensor_type.shape.dim[axis].Clear()
            tensor.type.tensor_type.shape.dim[axis].dim_param = name
    onnx.save(model, tmp_path / "m.onnx")
    found = overview(tmp_path / "m.onnx", {})
    assert found.needed == "--shape x=1x128" and "--shape x=1x128" in found.problem
    assert found.calls == 1 and found.inputs[0]["shape"] == ["batch_size", "sequence"]


def opened(folder: Path, sides: dict[str, list[str]]) -> Path:
    """A model that joins its inputs, of these open dimensions, along their last."""
    arrays = {name: np.ones([2] * len(each), np.float32) for name, each in sides.items()}
    model = model_of([node("Concat", [*sides], ["y"], axis=-1)], arrays, ["y"])
    for tensor in model.graph.input:
        for axis, name in enumerate(sides[tensor.name]):
            tensor.type.tensor_type.shape.dim[axis].Clear()
            tensor.type.tensor_type.shape.dim[axis].dim_param = name
    model.graph.output[0].type.tensor_type.shape.dim[1].Clear()
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


def test_a_mask_s_suggested_length_is_the_past_s_and_one_token_more(tmp_path: Path) -> None:
    sides = {"ids": ["b", "sequence"], "mask": ["b", "total"], "past.0": ["b", "past"]}
    found = overview(opened(tmp_path, sides), {})
    assert found.needed == "--shape ids=1x1 --shape mask=1x128 --shape past.0=1x127"


def test_a_dimension_that_is_given_is_given_wherever_it_has_that_name(tmp_path: Path) -> None:
    path = opened(tmp_path, {"ids": ["batch", "sequence"], "mask": ["batch", "sequence"]})
    found = overview(path, {"ids": (3, 16)})
    assert found.problem == "" and found.needed == ""
    assert import_model(path, {"ids": (3, 16)}).plan.outputs[0].shape == (3, 32)
    both = import_model(path, {"ids": (3, 16), "mask": (3, 4)})  # each as it was given
    assert both.plan.outputs[0].shape == (3, 20)


def test_a_suggested_length_is_no_longer_than_the_table_of_positions(tmp_path: Path) -> None:
    path = opened(tmp_path, {"ids": ["batch", "sequence"], "mask": ["batch", "sequence"]})
    model = onnx.load(path)
    table = numpy_helper.from_array(np.zeros((48, 4), np.float32), "wpe.weight")
    model.graph.initializer.append(table)
    onnx.save(model, path)
    assert overview(path, {}).needed == "--shape ids=1x48 --shape mask=1x48"


@pytest.mark.parametrize(
    ("operator", "sides", "given"),
    [
        ("Add", ["ab", "ab"], {"x": (4, 5), "y": (4, 6)}),
        ("Greater", ["ab", "ab"], {"x": (4, 5), "y": (3, 5)}),
        ("MatMul", ["ab", "bc"], {"x": (4, 5), "y": (6, 5)}),
    ],
)
def test_shapes_that_contradict_each_other_are_reported_in_a_line(
    operator: str, sides: list[str], given: dict[str, tuple[int, ...]], tmp_path: Path
) -> None:
    inputs = {name: np.ones((4, 4), np.float32) for name in given}
    nodes = [node(operator, ["x", "y"], ["z"], "sum"), node("Cast", ["z"], ["out"], to=1)]
    model = model_of(nodes, inputs, ["out"])
    for value, names in zip(model.graph.input, sides, strict=True):
        for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
            dimension.dim_param = name
    onnx.save(model, tmp_path / "m.onnx")
    x, y = ("x".join(map(str, shape)) for shape in given.values())
    message = f"sum ({operator}) has operands of {x} and {y}, which don't fit together; check the"
    with pytest.raises(JitwebError) as caught:
        import_model(tmp_path / "m.onnx", given)
    assert str(caught.value).startswith(message)


def test_a_wrong_name_is_reported_before_examples_are_taken(tmp_path: Path) -> None:
    path = opened(tmp_path, {"ids": ["batch", "sequence"]})
    found = overview(path, {"id": (1, 16)})
    assert "the model's inputs are ids" in found.problem and not found.needed


@pytest.mark.parametrize("value", [np.float32(-np.inf), np.float32(np.nan), np.float32(0.5)])
def test_an_input_that_is_compared_with_no_integer_is_inspected(
    value: np.float32, tmp_path: Path
) -> None:
    nodes = [node("Equal", ["x", "v"], ["same"]), node("Not", ["same"], ["y"])]
    model = model_of(nodes, {"x": np.ones((2, 3), np.float32)}, ["y"], {"v": value})
    onnx.save(model, tmp_path / "m.onnx")
    assert overview(tmp_path / "m.onnx", {}).operators


def quantised(name: str) -> list[onnx.NodeProto]:
    """What becomes of a QDQ pair: 8 bits, and floats again."""
    scale = ["scale", "zero"]
    return [
        node("QuantizeLinear", [name, *scale], [f"{name}.q"]),
        node("DequantizeLinear", [f"{name}.q", *scale], [f"{name}.d"]),
    ]


@pytest.mark.once
def test_a_quantised_vision_transformer_is_called_one(tmp_path: Path) -> None:
    """Its probabilities are quantised before they meet the values."""
    nodes = [
        node("Conv", ["x", "patches"], ["c"], strides=[4, 4]),
        node("Reshape", ["c", "flat"], ["f"]),
        node("Transpose", ["f"], ["r0"], perm=[0, 2, 1]),
    ]
    for number in range(2):
        r, layer = f"r{number}", f"l{number}."
        nodes += [
            node("Transpose", [r], [f"{layer}k"], perm=[0, 2, 1]),
            node("MatMul", [r, f"{layer}k"], [f"{layer}s"]),
            *quantised(f"{layer}s"),
            node("Softmax", [f"{layer}s.d"], [f"{layer}p"]),
            *quantised(f"{layer}p"),
            node("MatMul", [f"{layer}p.d", r], [f"r{number + 1}"]),
        ]
    weights = {
        "patches": np.ones((8, 3, 4, 4), np.float32), "flat": np.array([1, 8, 16]),
        "scale": np.float32(0.1), "zero": np.uint8(3),
    }  # fmt: skip
    model = model_of(nodes, {"x": np.ones((1, 3, 16, 16), np.float32)}, ["r2"], weights)
    onnx.save(model, tmp_path / "m.onnx")
    found = overview(tmp_path / "m.onnx", {}).architecture
    assert found.startswith("vision transformer, 2 attention layers") and "1 convolution" in found


@pytest.mark.once
def test_amounts_are_in_units_that_show_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And kernels by words that ONNX has, their families with what they do."""
    nodes = [node("Slice", ["x", "one", "two", "one"], ["a"]), node("GatherND", ["a", "i"], ["y"])]
    weights = {"one": np.array([1]), "two": np.array([3]), "i": np.array([[0], [1]])}
    model = model_of(nodes, {"x": np.ones((2, 4), np.float32)}, ["y"], weights)
    onnx.save(model, tmp_path / "m.onnx")
    print_overview(overview(tmp_path / "m.onnx", {}))
    printed = capsys.readouterr().out
    assert "32 B in the file" in printed and "0.00" not in printed and " 0 FLOP" in printed
    assert "slice" in printed and "gather nd" in printed
    assert "te gather" not in printed and "strided" not in printed
    assert "elementwise, reductions, moves" in printed or "no other family" in printed


def test_what_compiles_the_kernels_is_shown_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Softmax", ["h"], ["y"])]
    weights = {"w": np.ones((8, 12), np.float32)}
    model = model_of(nodes, {"x": np.ones((3, 8), np.float32)}, ["y"], weights)
    onnx.save(model, tmp_path / "m.onnx")
    assert overview(tmp_path / "m.onnx", {}).code is None
    found = overview(tmp_path / "m.onnx", {}, is_compiled=True)
    assert found.code is not None
    assert found.code["direct"]["share"] == pytest.approx(1)
    assert found.code["direct"]["kernels"] == len(found.kernels)
    assert found.code["llvm"] == {"kernels": 0, "calls": 0, "share": 0.0, "refused": {}}
    print_overview(found)
    assert "by our own emitter" in capsys.readouterr().out


def test_bench_names_kernels_as_inspect_does(capsys: pytest.CaptureFixture[str]) -> None:
    kernel = {"name": "fused_matmul1_add2_divide_erf_multiply", "kind": "matmul", "sites": 6}
    kernel |= {"ms": 1.5, "share": 0.5, "gflops": 40.0}
    latency = {"min": 3.0, "median": 3.1}
    measured = {"when": {}, "latency_ms": latency, "first_result_ms": 9.0, "kernels": [kernel]}
    print_measured(measured)
    shown = capsys.readouterr().out.splitlines()[-1]
    assert shown.endswith("matmul add div erf mul") and "fused" not in shown
