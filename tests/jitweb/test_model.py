"""The importer: the plan computes what the ONNX model says, in few kernels and little memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from harness import compat
from jitweb.errors import JitwebError
from jitweb.kernel_reference import run_function
from jitweb.model import ImportedModel, _folded, import_model
from jitweb.narrow import ENDLESS, NotNarrowable, narrow_array
from jitweb.plan import Slot, Weight
from jitweb.relax_graph import GraphValue, KernelCall, KernelGraph
from jitweb.run_plan import Evaluator, run_plan
from tests.jitweb.test_examples import KINDS
from tests.jitweb.test_examples import make_model as example

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
X = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
IDS = np.array([[1, 5, 0]])
NODE = helper.make_node
Boundary = tuple[str, int, Sequence[int | str]]
Ends = tuple[Sequence[Boundary], Sequence[Boundary]]
NUMBERS: Ends = ([("i", INT64, [1, 3])], [("y", INT64, [1, 3])])
CUBE: Boundary = ("x", FLOAT, [2, 3, 4])
FLAT: Boundary = ("y", FLOAT, [6, 4])
SIDES = {"s": np.array([6, 4])}
SOFTMAX = NODE("Softmax", ["x"], ["a"])
RESHAPE = NODE("Reshape", ["a", "s"], ["y"])
Import = Callable[..., ImportedModel]
BOTH = ("wasm", "webgpu")


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Boundary],
    outputs: Sequence[Boundary],
    weights: Mapping[str, Any] | None = None,
    opset: int = 18,
) -> onnx.ModelProto:
    takes, gives = (
        [helper.make_tensor_value_info(*each) for each in end] for end in (inputs, outputs)
    )
    held = [numpy_helper.from_array(np.asarray(w), name) for name, w in (weights or {}).items()]
    made = helper.make_graph(nodes, "test", takes, gives, held)
    return helper.make_model(made, ir_version=9, opset_imports=[helper.make_opsetid("", opset)])


def dense(opset: int = 18) -> onnx.ModelProto:
    """x [3, 4] times a weight."""
    ends: Ends = ([("x", FLOAT, [3, 4])], [("y", FLOAT, [3, 5])])
    weights = {"w": np.ones((4, 5), np.float32)}
    return graph([NODE("MatMul", ["x", "w"], ["y"])], *ends, weights, opset)


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    def save_and_import(
        model: onnx.ModelProto,
        shapes: dict[str, tuple[int, ...]] | None = None,
        targets: Sequence[str] = ("wasm",),
    ) -> ImportedModel:
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return import_model(path, shapes, targets)

    return save_and_import


def feeds(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Random ids and states; the last keys are masked out."""
    random = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == FLOAT:
            made[value.name] = random.standard_normal(shape, dtype=np.float32)
        elif "mask" in value.name:
            made[value.name] = (np.arange(shape[-1]) < shape[-1] - 5).astype(np.int64)[None]
        else:
            made[value.name] = random.integers(0, 2 if "type" in value.name else 100, shape)
    return made


def llvm() -> Evaluator:
    """An evaluator that shares nothing with the importer: TVM's own build of every kernel."""
    built: dict[Any, Any] = {}
    quick = tvm.target.Target({"kind": "llvm", "opt-level": 0})

    def run(function: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        if function not in built:
            module = tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
            built[function] = tvm.compile(module, target=quick)["main"]
        outputs = [
            tvm.runtime.tensor(np.zeros(compat.static_shape(p) or (), str(p.ty.dtype)))
            for p in list(function.params)[len(inputs) :]
        ]
        built[function](*(tvm.runtime.tensor(array) for array in inputs), *outputs)
        return [output.numpy() for output in outputs]

    return run


def check(
    model: onnx.ModelProto,
    plan: ImportedModel,
    inputs: dict[str, np.ndarray],
    evaluator: Evaluator = run_function,
) -> None:
    """The plan computes what ONNX's own reference computes, in its dtypes and shapes."""
    results = run_plan(plan, inputs, evaluator)
    expected = ReferenceEvaluator(model).run(None, inputs)
    assert list(results) == [value.name for value in model.graph.output]
    for result, wanted in zip(results.values(), expected, strict=True):
        assert result.dtype == wanted.dtype and result.shape == wanted.shape
        scale = float(np.abs(wanted.astype(np.float64)).max()) or 1.0
        np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_plans_compute_what_the_model_says(kind: str, imported: Import) -> None:
    model = example(kind)
    plan = imported(model)
    check(model, plan, feeds(model))
    check(model, plan, feeds(model), llvm())


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_are_static_schedulable_and_in_32_bits(kind: str, imported: Import) -> None:
    for function in imported(example(kind)).functions.values():
        assert compat.why_ill_formed(tvm.IRModule({"main": function})) is None
        assert "SBlockRealize" in {compat.type_key(node) for node in compat.nodes(function)}
        assert all(compat.static_shape(each) is not None for each in function.params)
        assert {str(each.ty.dtype) for each in function.params} <= {"float32", "int32"}
        assert not any(wide in function.script() for wide in ("int64", "float64"))


@pytest.mark.parametrize("kind", KINDS)
def test_slots_are_reused_but_never_while_they_are_needed(kind: str, imported: Import) -> None:
    plan = imported(example(kind)).plan
    ends = [tensor.slot for tensor in (*plan.inputs, *plan.outputs)]
    assert len(set(ends)) == len(ends)
    for call in plan.calls:
        writes = plan.tasks[call.task].writes
        written = [each.index for each in call.args[writes[0] :] if isinstance(each, Slot)]
        read = {each.index for each in call.args[: writes[0]] if isinstance(each, Slot)}
        assert not read & set(written) and len(set(written)) == len(writes)
        assert not set(written) & {tensor.slot for tensor in plan.inputs}
    assert len(plan.slots) < len(plan.calls) / 2


def test_what_constants_alone_give_is_computed_at_import(imported: Import) -> None:
    # By hand, as TVM's own folding leaves nothing of the kind in the models here.
    (function,) = imported(dense()).functions.values()
    result, shapes = GraphValue("float32", (3, 5)), [(3, 4), (4, 5)]
    inputs = tuple(GraphValue("float32", shape, np.ones(shape, np.float32)) for shape in shapes)
    folded = _folded(
        KernelGraph((), (result,), (KernelCall("matmul", function, inputs, (result,)),))
    )
    assert not folded.calls and isinstance(folded.outputs[0].array, np.ndarray)
    assert np.array_equal(folded.outputs[0].array, np.full((3, 5), 4))


def test_weights_are_those_that_calls_read(imported: Import) -> None:
    model = imported(example("gpt"))
    read = {
        each.name for call in model.plan.calls for each in call.args if isinstance(each, Weight)
    }
    assert read == set(model.weights)
    # The tied embedding is transposed at import: one to look up in, one to multiply with.
    tables = {w.shape: w for w in model.weights.values() if 100 in w.shape}
    assert np.array_equal(tables[100, 64].T, tables[64, 100])


def test_equal_weights_are_one_and_a_task_knows_what_is_constant_at_all_sites(
    imported: Import,
) -> None:
    operands = [("x", "x", "a"), ("a", "v", "b"), ("b", "w", "y")]
    nodes = [NODE("MatMul", [left, right], [result]) for left, right, result in operands]
    ends: Ends = ([("x", FLOAT, [4, 4])], [("y", FLOAT, [4, 4])])
    model = imported(graph(nodes, *ends, dict.fromkeys("vw", np.eye(4, dtype=np.float32))))
    (task,) = model.plan.tasks.values()
    assert len(model.weights) == 1 and task.sites == 3 and task.constants == set()


def test_bias_gelu_and_residual_are_part_of_the_matmul(imported: Import) -> None:
    plan = imported(example("bert")).plan
    # Left alone are the sum of the embeddings and the mask, once for the whole model.
    left = [task for task in plan.tasks.values() if task.kind == "elementwise"]
    assert sum(task.sites for task in left) == 2
    dense = {task.name: len(task.shapes) for task in plan.tasks.values() if task.kind == "matmul"}
    assert any("erf" in name for name in dense)
    assert set(dense.values()) == {4, 5}  # input, weight, bias, output; a residual makes it five


def test_equal_kernels_are_one_task_however_many_layers(imported: Import) -> None:
    two, five = (imported(example("bert", layers=layers)).plan for layers in (2, 5))
    assert two.tasks.keys() == five.tasks.keys()
    assert len(five.calls) > 2 * len(two.calls)
    for plan in (two, five):
        assert sum(task.sites for task in plan.tasks.values()) == len(plan.calls)


def test_work_is_counted(imported: Import) -> None:
    (task,) = imported(dense()).plan.tasks.values()
    assert (task.kind, task.flops, task.bytes) == ("matmul", 2 * 3 * 4 * 5, 4 * (12 + 20 + 15))
    assert task.shapes == ((3, 4), (4, 5), (3, 5))
    assert task.writes == (2,) and task.constants == {1}


@pytest.mark.parametrize(
    ("nodes", "outputs", "kernels"),
    [
        ([SOFTMAX, RESHAPE, NODE("Softmax", ["y"], ["z"])], [("z", FLOAT, [6, 4])], 2),
        ([SOFTMAX, RESHAPE], [FLAT], 1),
        ([SOFTMAX, RESHAPE], [FLAT, ("a", FLOAT, [2, 3, 4])], 2),
        ([SOFTMAX, RESHAPE, NODE("Reshape", ["a", "t"], ["z"])], [FLAT, ("z", FLOAT, [24])], 2),
        ([NODE("Reshape", ["x", "s"], ["y"])], [FLAT], 1),
    ],
)
def test_reshapes_are_kernels_only_where_outputs_need_memory_of_their_own(
    nodes: list[onnx.NodeProto], outputs: list[Boundary], kernels: int, imported: Import
) -> None:
    model = graph(nodes, [CUBE], outputs, {**SIDES, "t": np.array([24])})
    plan = imported(model)
    ends = (*plan.plan.inputs, *plan.plan.outputs)
    assert len({tensor.slot for tensor in ends}) == len(ends)
    assert len(plan.plan.calls) == kernels
    check(model, plan, {"x": X})


def test_outputs_may_be_constants(imported: Import) -> None:
    """Also the same constant twice, as all that is computed from shapes is one."""
    nodes = [
        NODE("Relu", ["x"], ["y"]),
        NODE("Shape", ["x"], ["sizes"]),
        NODE("Relu", ["c"], ["z"]),
        NODE("Identity", ["z"], ["w"]),
    ]
    outputs: list[Boundary] = [
        ("y", FLOAT, [2, 3, 4]), ("sizes", INT64, [3]), ("z", FLOAT, [2]), ("w", FLOAT, [2]),
    ]  # fmt: skip
    model = graph(nodes, [CUBE], outputs, {"c": np.array([1, -1], np.float32)})
    plan = imported(model, targets=BOTH)
    check(model, plan, {"x": X})


def test_inputs_keep_their_order_and_unused_ones_their_place(imported: Import) -> None:
    inputs: list[Boundary] = [("unused", INT64, [3]), CUBE]
    model = graph([NODE("Relu", ["x"], ["y"])], inputs, [("y", FLOAT, [2, 3, 4])])
    plan = imported(model)
    assert [tensor.name for tensor in plan.plan.inputs] == ["unused", "x"]
    check(model, plan, {"unused": np.arange(3), "x": X})


@pytest.mark.parametrize(
    ("kind", "operator", "values"),
    [(INT64, "Neg", IDS), (BOOL, "Not", IDS > 0), (TensorProto.INT32, "Neg", IDS.astype("int32"))],
)
def test_integers_and_bool_keep_their_type_at_the_boundary_and_are_stored_as_int32(
    kind: int, operator: str, values: np.ndarray, imported: Import
) -> None:
    model = graph([NODE(operator, ["i"], ["y"])], [("i", kind, [1, 3])], [("y", kind, [1, 3])])
    plan = imported(model, targets=BOTH)
    for tensor in (*plan.plan.inputs, *plan.plan.outputs):
        assert (tensor.dtype, tensor.stored) == (values.dtype.name, "int32")
    check(model, plan, {"i": values})


def test_narrowed_kernels_compute_the_same(imported: Import) -> None:
    """One that names intermediate values, and one with an end of int64 in it."""
    model = graph([NODE("ArgMax", ["x"], ["y"], axis=1)], [CUBE], [("y", INT64, [2, 1, 4])])
    check(model, imported(model), {"x": X})
    model = graph([NODE("Min", ["i", "c"], ["y"])], *NUMBERS, {"c": np.array(2**63 - 1)})
    check(model, imported(model), {"i": IDS})


def test_for_webgpu_constants_to_compute_with_must_fit_int32(imported: Import) -> None:
    for constant in (np.array(5_000_000_000), np.array([5_000_000_000, 1, 2])):
        model = graph([NODE("Add", ["i", "c"], ["y"])], *NUMBERS, {"c": constant})
        with pytest.raises(JitwebError, match="5000000000 does not fit int32"):
            imported(model, targets=BOTH)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_arrays_are_kept_saturated_or_refused(numbers: list[int]) -> None:
    array = np.array(numbers, np.int64)
    least, most = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    if any(not least <= number <= most and abs(number) < ENDLESS for number in numbers):
        with pytest.raises(NotNarrowable):
            narrow_array(array)
    else:
        narrowed = narrow_array(array)
        assert narrowed.dtype == np.int32
        assert narrowed.tolist() == [min(max(number, least), most) for number in numbers]


def test_a_kernel_of_many_parts_has_a_short_name(imported: Import) -> None:
    """A plan with one of more than a thousand characters is refused."""
    names = [f"part_{number}" for number in range(90)]
    nodes = [
        NODE("Split", ["x"], names, axis=0, num_outputs=90),
        *(NODE("Unsqueeze", [name, "axes"], [f"{name}_flat"]) for name in names),
        NODE("Concat", [f"{name}_flat" for name in names], ["y"], axis=0),
    ]
    ends: Ends = ([("x", FLOAT, [90, 2])], [("y", FLOAT, [90, 1, 2])])
    plan = imported(graph(nodes, *ends, {"axes": np.array([1])})).plan
    assert max(len(task.name) for task in plan.tasks.values()) <= 200


def test_symbolic_shapes_are_fixed_by_name(imported: Import) -> None:
    sides: list[int | str] = ["batch", 5]
    model = graph([NODE("Relu", ["x"], ["y"])], [("x", FLOAT, sides)], [("y", FLOAT, sides)])
    assert imported(model, {"x": (2, 5)}).plan.outputs[0].shape == (2, 5)
    for shapes, message in (
        ({}, r"x \(batchx5\).*--shape x=1x5"),
        ({"x": (2, 6)}, r"--shape x=2x6 does not fit x \(batchx5\); for example: --shape x=2x5"),
        ({"x": (3,)}, "; for example: --shape x=3x5"),
        ({"other": (2, 5)}, "the model's inputs are x"),
    ):
        with pytest.raises(JitwebError, match=message):
            imported(model, shapes)
    fixed = graph([NODE("Relu", ["x"], ["y"])], [("x", FLOAT, [2])], [("y", FLOAT, [2])])
    with pytest.raises(JitwebError, match="it is fixed at 2 in the file: leave --shape out"):
        imported(fixed, {"x": (3,)})


def unsupported() -> onnx.ModelProto:
    operators = {"first": "Det", "second": "Det", "third": "StringNormalizer"}
    nodes = [NODE(kind, ["x"], [name], name=name) for name, kind in operators.items()]
    return graph(nodes, [("x", FLOAT, [3, 3])], [(name, FLOAT, []) for name in operators])


def failing() -> onnx.ModelProto:
    """Of an operator that is known, with too few sizes."""
    nodes = [
        NODE("Relu", ["x"], ["r"]),
        NODE("Resize", ["r", "", "", "s"], ["y"], name="wider"),
        NODE("Relu", ["y"], ["z"]),
    ]
    return graph(nodes, [CUBE], [("z", FLOAT, [6, 4])], SIDES)


def of_a_size_that_depends_on_values() -> onnx.ModelProto:
    """Of an operator that TVM imports, and has no kernel for."""
    node = NODE("NonZero", ["x"], ["y"], name="places")
    return graph([node], [CUBE], [("y", INT64, [3, "count"])])


def recurrent(steps: int, **given: Any) -> onnx.ModelProto:
    node = NODE("RNN", ["x", "w", "r"], ["y"], name="cell", hidden_size=4, **given)
    weights = {name: np.ones((1, 4, size), np.float32) for name, size in (("w", 3), ("r", 4))}
    return graph([node], [("x", FLOAT, [steps, 2, 3])], [("y", FLOAT, ["a", 1, 2, 4])], weights)


def suppressing() -> onnx.ModelProto:
    """Of an operator whose kernel TVM writes with statements that there are no equations for."""
    node = NODE("NonMaxSuppression", ["b", "s", "m"], ["y"], name="boxes")
    ends: Ends = ([("b", FLOAT, [1, 6, 4]), ("s", FLOAT, [1, 1, 6])], [("y", INT64, ["n", 3])])
    return graph([node], *ends, {"m": np.array(3)})


def branching() -> onnx.ModelProto:
    result = helper.make_tensor_value_info("r", FLOAT, [3])
    branch = helper.make_graph([NODE("Relu", ["x"], ["r"])], "branch", [], [result])
    node = NODE("If", ["b"], ["y"], name="here", then_branch=branch, else_branch=branch)
    return graph([node], [("b", BOOL, []), ("x", FLOAT, [3])], [("y", FLOAT, [3])])


def in_training() -> onnx.ModelProto:
    names, ones = ["x", "s", "b", "m", "v"], np.ones(3, np.float32)
    node = NODE("BatchNormalization", names, ["y", "n", "w"], name="norm", training_mode=1)
    return graph([node], [CUBE], [("y", FLOAT, [2, 3, 4])], dict.fromkeys(names[1:], ones))


def taking(kind: int) -> onnx.ModelProto:
    return graph([NODE("Cast", ["x"], ["y"], to=FLOAT)], [("x", kind, [3])], [("y", FLOAT, [3])])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (unsupported(), r"Det \(first, second\); StringNormalizer \(third\)"),
        (failing(), r"TVM can't import wider \(Resize\): ."),
        (of_a_size_that_depends_on_values(), "not supported: places"),
        (
            recurrent(5, layout=1),
            r"cell \(RNN\) has the batch first; export the model with layout=0",
        ),
        (recurrent(999), r"cell \(RNN\) has 999 steps, and at most 256 are written out; use a"),
        (recurrent(5, activations=["Sin"]), r"cell \(RNN\) has the activation Sin, which ONNX"),
        (recurrent(5, activations=["Tanh"] * 2), r"cell \(RNN\) has 2 activations; export"),
        (suppressing(), r"not supported: boxes \(NonMaxSuppression\); export the model"),
        (in_training(), r"norm \(BatchNormalization\) is in training mode; export the model for"),
        (
            graph(
                [NODE("Pow", ["i", "e"], ["y"], name="power")],
                [("i", INT64, [3])],
                [("y", INT64, [3])],
                {"e": np.array(-1)},
            ),
            r"power \(Pow\) takes integers to a power that is negative",
        ),
        (branching(), r"here \(If\) takes a branch by b"),
        (
            graph([NODE("Relu", ["x"], ["y"])], [("x", FLOAT, [0, 4])], [("y", FLOAT, [0, 4])]),
            r"the input x \(0x4\) has no elements; export the model without it",
        ),
        (dense(opset=99), "opset 99, and the installed onnx knows"),
        (
            graph(
                [NODE("Relu", ["x"], ["y"])],
                [("x", FLOAT, [1 << 20, 1 << 20])],
                [("y", FLOAT, [1 << 20, 1 << 20])],
            ),
            "x .1048576x1048576. has 1099511627776 elements",
        ),
        *(
            (taking(kind), "x is of a type that is not supported")
            for kind in (TensorProto.DOUBLE, TensorProto.UINT8)
        ),
    ],
)
def test_models_that_are_not_supported_are_refused_with_the_reason(
    model: onnx.ModelProto, message: str, imported: Import
) -> None:
    with pytest.raises(JitwebError, match=message) as caught:
        imported(model)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    whole, path = dense().SerializeToString(), tmp_path / "bad.onnx"
    for data in (*(whole[:end] for end in range(0, len(whole), 9)), b"no model at all " * 9):
        path.write_bytes(data)
        with pytest.raises(
            JitwebError, match=r"bad\.onnx (is empty|is a text|.*damaged|is not a valid)"
        ):
            import_model(path)
    with pytest.raises(JitwebError, match="does not exist"):
        import_model(tmp_path / "missing.onnx")
    with pytest.raises(JitwebError, match="is a folder"):
        import_model(tmp_path)


def external(folder: Path, location: str, **facts: Any) -> Path:
    """A model in `folder`/model whose weight lies at a location; w.bin there holds it."""
    model = dense()
    (tensor,) = model.graph.initializer
    data = bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **facts}.items():
        tensor.external_data.add(key=key, value=str(value))
    home = folder / "model"
    home.mkdir()
    for place in (home / "w.bin", folder / "outside.bin"):
        place.write_bytes(data)
    (home / "link.bin").symlink_to(folder / "outside.bin")
    path = home / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("location", "facts", "message"),
    [
        ("../outside.bin", {}, "outside of the model's folder"),
        ("/etc/hostname", {}, "outside of the model's folder"),
        ("link.bin", {}, "outside of the model's folder"),
        ("gone.bin", {}, r"in gone\.bin, which is missing"),
        ("w.bin", {"length": 80, "offset": 40}, "can't be read"),  # it ends early
        ("w.bin", {"length": 5 << 30}, "can.t be read"),
    ],
)
def test_external_weights_are_read_from_the_models_folder_alone(
    location: str, facts: dict[str, int], message: str, tmp_path: Path
) -> None:
    (tmp_path / "good").mkdir()
    (weight,) = import_model(external(tmp_path / "good", "w.bin")).weights.values()
    assert np.array_equal(weight, np.ones((4, 5)))
    with pytest.raises(JitwebError, match=message):
        import_model(external(tmp_path, location, **facts))
