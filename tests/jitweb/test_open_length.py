"""A length that is left open: kernels, plan and runtime are right at every length to the most."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from harness.devices.node import NodeDevice
from harness.devices.remote import RemoteDevice
from jitweb.bundle import read_plan
from jitweb.cli import main
from jitweb.errors import JitwebError, NotEquations
from jitweb.extent import Extent, Opening, ceil_div, extent_from_json, extent_json, length_of
from jitweb.host import open_host
from jitweb.merge import Differs, merged_function
from jitweb.onnx.reference import evaluator
from jitweb.space.candidate import Candidate
from jitweb.targets import WasmTarget, WebgpuTarget, WebTarget
from jitweb.task_input import TaskInput, difference, make_arguments, reference_outputs
from jitweb.verify import verify_bundle
from jitweb.workflow import Options, tune_model
from tests.command import run_command
from tests.harness.gpu import needs_browser, open_device
from tests.jitweb import kernels
from tests.jitweb.conftest import examples
from tests.jitweb.test_runtime import in_node
from tests.jitweb.tiny import IDS, Tiny

MOST = 128
TABLE = 144  # rows of the tables of positions, and no other extent of the models
LENGTHS = (1, 7, 16, 37, 127, 128)


def open_model(kind: str) -> onnx.ModelProto:
    """An example model whose sequence is open, as exporters write one."""
    model = examples().make_model(kind, sequence=TABLE, layers=1)
    graph = model.graph
    shape = helper.make_node("Shape", ["input_ids"], ["length"], start=1)
    nodes, kept = [shape], []
    first = numpy_helper.from_array(np.zeros(1, np.int64), "first_place")
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.int64 and array.ndim == 1 and TABLE in array:
            tensor = numpy_helper.from_array(np.where(array == TABLE, -1, array), tensor.name)
        if array.dtype == np.float32 and TABLE in array.shape:  # which is packed, then
            array = array.astype(np.float16).astype(np.float32)
            tensor = numpy_helper.from_array(array, tensor.name)
        axes = [axis for axis, extent in enumerate(array.shape) if extent == TABLE]
        if axes and "wpe" not in tensor.name:
            name, tensor.name = tensor.name, f"{tensor.name}.table"
            for axis in axes:
                place = numpy_helper.from_array(np.array([axis], np.int64), f"{name}.axis{axis}")
                result = name if axis == axes[-1] else f"{name}.to{axis}"
                source = tensor.name if axis == axes[0] else nodes[-1].output[0]
                nodes.append(
                    helper.make_node(
                        "Slice", [source, "first_place", "length", place.name], [result]
                    )
                )
                kept.append(place)
        kept.append(tensor)
    del graph.initializer[:]
    graph.initializer.extend([first, *kept])
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    for value in (*graph.input, *graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_value == TABLE:
                side.dim_param = "sequence"
    return model


@pytest.fixture(scope="module", params=["bert", "gpt"])
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A model of an open length, and a bundle of it."""
    folder = tmp_path_factory.mktemp("open")
    path = folder / f"{request.param}.onnx"
    onnx.save(open_model(request.param), path)
    shapes = {"input_ids": (1, Opening("N", MOST))}
    targets = ("wasm", "webgpu") if request.param == "bert" else ("wasm",)
    tune_model(Options(path, folder / "out", targets, shapes), lambda name: None, None)
    return path, folder / "out"


def inputs_of(path: Path, length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(length)
    names = [value.name for value in onnx.load(path).graph.input]
    arrays = {"input_ids": rng.integers(0, 100, (1, length))}
    if "attention_mask" in names:
        arrays["attention_mask"] = np.ones((1, length), np.int64)
        arrays["attention_mask"][:, length - length // 4 :] = 0
        arrays["token_type_ids"] = rng.integers(0, 2, (1, length))
    return arrays


def test_the_page_runs_as_many_ids_as_it_is_given(opened: tuple[Path, Path]) -> None:
    _, out = opened
    returned = in_node(f"""
        const {{ readFileSync }} = await import("node:fs");
        const {{ parsePlan }} = await import("{(out / "plan.mjs").as_uri()}");
        const {{ inputsWithIds }} = await import("{(out / "page_inputs.mjs").as_uri()}");
        const [variant] = parsePlan(readFileSync("{out / "plan.json"}"), "out").variants;
        const tooMany = await words(() => inputsWithIds(variant, "1 ".repeat({MOST + 1})));
        return {{ inputs: inputsWithIds(variant, "5, 6 7"), tooMany }};""")
    assert returned["inputs"]["input_ids"] == [5, 6, 7]
    assert returned["inputs"].get("attention_mask", [1] * 3) == [1] * 3
    assert f"must be [1, N] with N from 1 to {MOST}" in returned["tooMany"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_bundle_is_right_at_every_length(opened: tuple[Path, Path], threads: int) -> None:
    path, out = opened
    reference = evaluator(onnx.load(path))
    with open_host(out, read_plan(out), "wasm", threads) as host:
        for length in (*LENGTHS, *reversed(LENGTHS)) if threads == 1 else LENGTHS[::2]:
            inputs = inputs_of(path, length)
            found = host.run(inputs)
            for name, wanted in zip(found, reference.run(None, inputs), strict=True):
                assert found[name].shape == wanted.shape
                np.testing.assert_allclose(found[name], wanted, atol=1e-4 * np.abs(wanted).max())


def test_a_gpu_is_right_at_every_length(opened: tuple[Path, Path]) -> None:
    path, out = opened
    if "webgpu" not in read_plan(out)["targets"]:
        return
    needs_browser()
    reference = evaluator(onnx.load(path))
    with open_host(out, read_plan(out), "webgpu", 1) as host:
        for length in (37, *LENGTHS):
            inputs = inputs_of(path, length)
            found = host.run(inputs)
            for name, wanted in zip(found, reference.run(None, inputs), strict=True):
                np.testing.assert_allclose(found[name], wanted, atol=1e-4 * np.abs(wanted).max())


def test_more_than_the_most_is_refused(opened: tuple[Path, Path]) -> None:
    path, out = opened
    with open_host(out, read_plan(out), "wasm", 1) as host:
        with pytest.raises(JitwebError, match=f"has {MOST + 1}; {MOST} is the most"):
            host.run(inputs_of(path, MOST + 1))


def test_verify_asks_at_several_lengths(opened: tuple[Path, Path]) -> None:
    found = verify_bundle(opened[1], "wasm", 1e-4)
    assert found.is_right
    assert {each.length for each in found.agreements} == {1, 7, 37, MOST}


RUNS = """
    const results = [], message = (error) => error.message;
    for (const count of [1, 3, 5, 2]) {
      const ids = BigInt64Array.from({ length: count }, (_, i) => BigInt(i + 1));
      results.push(model.run({ ...right(), ids }));
    }
    const refuse = (count) =>
      model.run({ ...right(), ids: new BigInt64Array(count) }).catch(message);
    const twice = (await Promise.all(results)).map(({ twice }) => twice);
    const { open } = model.variants[0];
    return { twice, refusals: [await refuse(0), await refuse(6)], open };"""


@pytest.mark.parametrize("threads", [1, 3])
def test_the_runtime_takes_the_length_from_its_inputs(tmp_path: Path, threads: int) -> None:
    folder = Tiny(is_open=True).write(tmp_path / "bundle")
    returned = in_node(
        f'const model = await load("{folder}", {{ target: "wasm", threads: {threads} }});{RUNS}'
    )
    assert returned["twice"] == [[2 * (i + 1) for i in range(count)] for count in (1, 3, 5, 2)]
    for message in returned["refusals"]:
        assert f"must be [1, N] with N from 1 to {IDS}" in message
    assert returned["open"] == {"name": "N", "most": IDS}


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (["input_ids=M:64xN:64"], "several lengths open (M:64 and N:64)"),
        (["input_ids=1xN:8"], "must be 16 at least"),
        (["input_ids=1xN:0"], "a size is at least 1"),
    ],
)
def test_what_cant_be_left_open_is_one_line(
    opened: tuple[Path, Path], tmp_path: Path, shapes: list[str], said: str
) -> None:
    given = [each if each.startswith("-") else f"--shape={each}" for each in shapes]
    out = tmp_path / "out"
    ended = run_command(main, "tune", opened[0], *given, "--device", "none", "-o", out)
    assert ended.returncode == 2
    assert said in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_a_constant_that_ends_with_the_length_is_refused(tmp_path: Path) -> None:
    """Kernels read the longest constant, from its beginning."""
    integers = {"one": 1, "axis": 0, "back": -1, "end": -TABLE - 1}
    constants: dict[str, np.ndarray] = {
        name: np.array([each], np.int64) for name, each in integers.items()
    }
    constants["table"] = np.arange(4.0 * TABLE, dtype=np.float32).reshape(-1, 4)
    nodes = [
        helper.make_node("Shape", ["x"], ["length"], start=0, end=1),
        helper.make_node("Sub", ["length", "one"], ["last"]),
        helper.make_node("Slice", ["table", "last", "end", "axis", "back"], ["turned"]),
        helper.make_node("Add", ["x", "turned"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "turned", ends[:1], ends[1:], tensors)
    path = tmp_path / "turned.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    options = Options(path, tmp_path / "out", shapes={"x": (Opening("n", 64), 4)})
    with pytest.raises(JitwebError, match="n can't be left open: a constant of the model"):
        tune_model(options, lambda name: None, None)


KERNELS: dict[str, tuple[Callable[[int], Any], frozenset[int]]] = {
    "dense": (lambda n: kernels.dense(n, 40, 24), frozenset({1})),
    "scores": (lambda n: kernels.batched((1, 2), n, n, 12), frozenset()),
    "mixed": (lambda n: kernels.batched((1, 2), n, 20, n), frozenset()),
    "softmax": (lambda n: kernels.softmax(3, n), frozenset()),
    "norm": (lambda n: kernels.layer_norm(n, 20), frozenset()),
    "mean": (lambda n: kernels.mean(4, n), frozenset()),
    "sum": (lambda n: kernels.tanh_add(3, n), frozenset()),
}


@pytest.fixture(scope="module")
def node() -> Iterator[NodeDevice]:
    with NodeDevice() as device:
        yield device


@pytest.fixture(scope="module")
def gpu() -> Iterator[RemoteDevice]:
    with open_device("wgpu") as device:
        yield device


def open_task(name: str) -> TaskInput:
    make, constants = KERNELS[name]
    lengths = (64, 63, 62)
    function = merged_function([make(each) for each in lengths], lengths)
    return TaskInput(name, name, "", function, 1, 1.0, 1.0, constants, (len(function.params) - 2,))


def check_candidate(
    task: TaskInput,
    candidate: Candidate,
    target: WebTarget,
    device: RemoteDevice,
    lengths: Sequence[int] = (64, 1, 2, 3, 5, 7, 15, 17, 63),
) -> None:
    built = target.build(candidate.build())
    handle = device.load(built.code)
    for length in lengths:
        fixed = task.at(length)
        arguments = make_arguments(fixed)
        outputs = device.run(built.launch(handle, arguments, task.writes, length))
        wrong = difference(outputs, reference_outputs(fixed, arguments), task.writes)
        assert wrong is None, f"{candidate.text} at {length}: {wrong}"
    device.release(handle)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_right_at_every_length(name: str, node: NodeDevice) -> None:
    """Also where it is shorter than a tile, or than a vector."""
    task, target = open_task(name), WasmTarget()
    candidates = target.candidates(task.function, task.constants)
    tried = [each for each in candidates if each.point.get("opt") in (None, 1)]
    assert tried[0].family != "plain"
    for candidate in tried[:1] + tried[1::8] + tried[-1:]:
        check_candidate(task, candidate, target, node)


@pytest.mark.parametrize("name", ["scores", "mixed", "softmax", "norm", "sum"])
def test_a_gpus_kernel_is_right_at_every_length(name: str, gpu: RemoteDevice) -> None:
    task, target = open_task(name), WebgpuTarget()
    first, *others = target.candidates(task.function, task.constants)
    assert first.family != "plain"
    for candidate in (first, *others[11:-1:11]):
        check_candidate(task, candidate, target, gpu, (64, 1, 5, 17))


def test_functions_that_are_not_the_same_dont_merge() -> None:
    made = [kernels.softmax(3, 64), kernels.softmax(3, 63), kernels.layer_norm(3, 62)]
    with pytest.raises(Differs):
        merged_function(made, (64, 63, 62))
    made = [kernels.softmax(3, extent) for extent in (64, 32, 21)]  # 64 over 1, 2 and 3
    with pytest.raises(Differs):
        merged_function(made, (64, 63, 62))


small = st.integers(0, 9)
polynomials = st.builds(lambda *terms: Extent.polynomial(50, terms), small, small, small)


@given(polynomials, polynomials, st.integers(1, 7), st.integers(1, 50))
def test_what_is_computed_with_extents_holds_at_every_length(
    left: int, right: int, divisor: int, length: int
) -> None:
    """Or it is refused."""

    def at(extent: int) -> int:
        return extent.at(length) if isinstance(extent, Extent) else extent

    for compute in (
        lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - 3, lambda a, b: 2 * a,
        lambda a, b: ceil_div(a, divisor), lambda a, b: ceil_div(a, divisor) * b,
        lambda a, b: a // divisor, lambda a, b: a % divisor, lambda a, b: math.prod([a, 3, b]),
    ):  # fmt: skip
        try:
            found = compute(left, right)
        except NotEquations:
            continue
        assert at(found) == compute(at(left), at(right))
        assert at(extent_from_json(json.loads(json.dumps(extent_json(found))), 50)) == at(found)


@given(polynomials, st.integers(1, 50))
def test_the_length_of_an_extent(extent: int, length: int) -> None:
    if isinstance(extent, Extent):
        assert length_of(extent, extent.at(length)) == length
        assert length_of(extent, extent.at(50) + 1) is None
        assert extent != int(extent)
