"""Models whose Ifs hang on boolean inputs become one bundle, with a variant for each value."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from safetensors.numpy import load_file

from jitweb.bundle import read_plan
from jitweb.compare import TOLERANCE, errors
from jitweb.errors import JitwebError
from jitweb.host import open_host
from jitweb.overview import overview
from jitweb.plan import variants_of
from jitweb.run_plan import run_plan
from jitweb.variants import import_variants
from jitweb.verify import verify_bundle
from jitweb.workflow import Options, tune_model
from tests.jitweb.onnx.exports import CROSS, FOLDER, MERGED, filled, kept, kept_set
from tests.jitweb.onnx.models import Arrays, assert_agree, model_of, node, referred
from tests.jitweb.onnx.test_cache import merged

FLAG = "use_cache_branch"


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2 as Optimum merges it."""
    path = tmp_path_factory.mktemp("merged") / "model.onnx"
    onnx.save(filled(FOLDER / f"{MERGED}.onnx"), path)
    return path


@pytest.fixture(scope="module")
def bundle(decoder: Path) -> Path:
    out = decoder.with_name("out")
    options = Options(decoder, out, ("wasm",), kept(MERGED)[1])
    tune_model(options, lambda name: None, None)
    return out


def assert_right(found: Arrays, wanted: Arrays) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].shape == array.shape
        assert np.max(errors(found[name], array), initial=0.0) <= TOLERANCE, name


def test_a_merged_decoder_runs_with_and_without_its_cache(bundle: Path) -> None:
    plan = read_plan(bundle)
    assert [each.when for each in variants_of(plan)] == [{FLAG: False}, {FLAG: True}]
    with open_host(bundle, plan, "wasm", 2) as host:
        for number in (1, 0, 1):
            inputs, outputs = kept_set(MERGED, number)
            assert_right(host.run(inputs), outputs)
        whole, outputs = kept_set(MERGED, 0)  # what the branch without a cache does not read
        empty = {name: np.zeros(0, np.float32) for name in whole if name.startswith("past")}
        assert_right(host.run({**whole, **empty}), outputs)
        assert_right(host.run({n: a for n, a in whole.items() if n not in empty}), outputs)
        with pytest.raises(JitwebError, match="the input past.0.key is missing"):
            host.run({n: a for n, a in kept_set(MERGED, 1)[0].items() if n not in empty})


def test_the_weights_of_a_merged_decoder_are_in_its_bundle_once(
    bundle: Path, decoder: Path
) -> None:
    contents = [
        hashlib.sha1(np.sort(array[array != 0], axis=None).tobytes()).hexdigest()
        for array in load_file(bundle / "weights.safetensors").values()
        if array.size > 256 and array.dtype == np.float32
    ]
    assert len(contents) > 8 and len(set(contents)) == len(contents)
    kept_bytes = (bundle / "weights.safetensors").stat().st_size
    held = onnx.load(decoder).graph.initializer
    assert kept_bytes < 1.1 * sum(len(tensor.raw_data) for tensor in held)


@pytest.mark.once
def test_a_merged_decoder_of_a_source_keeps_two_caches(tmp_path: Path) -> None:
    """T5's as Optimum merges it: with a cache it reads what the first run made of the source."""
    onnx.save(filled(FOLDER / f"{CROSS}.onnx"), tmp_path / "m.onnx")
    tune_model(
        Options(tmp_path / "m.onnx", tmp_path / "out", ("wasm",), kept(CROSS)[1]),
        lambda name: None,
        None,
    )
    plan = read_plan(tmp_path / "out")
    held = onnx.load(tmp_path / "m.onnx").graph.initializer
    kept_bytes = (tmp_path / "out" / "weights.safetensors").stat().st_size
    assert kept_bytes < 1.1 * sum(len(tensor.raw_data) for tensor in held)
    with open_host(tmp_path / "out", plan, "wasm", 1) as host:
        for number in (0, 1, 0):
            inputs, outputs = kept_set(CROSS, number)
            assert_right(host.run(inputs), outputs)
            unread = "past" if number == 0 else "encoder_hidden_states"
            rest = {name: array for name, array in inputs.items() if not name.startswith(unread)}
            assert_right(host.run(rest), outputs)
    step = variants_of(plan)[1]
    empty = {each.name for each in step.outputs if 0 in each.shape}
    assert empty == {name for name in outputs if ".encoder." in name} != set()


def test_a_merged_decoder_runs_on_a_gpu(decoder: Path, tmp_path: Path, browser: None) -> None:
    options = Options(decoder, tmp_path / "out", ("webgpu",), kept(MERGED)[1])
    tune_model(options, lambda name: None, None)
    with open_host(tmp_path / "out", read_plan(tmp_path / "out"), "webgpu", 1) as host:
        for number in (0, 1, 0):
            inputs, outputs = kept_set(MERGED, number)
            assert_right(host.run(inputs), outputs)


def test_verify_checks_every_variant_or_that_of_the_inputs(
    bundle: Path, decoder: Path, tmp_path: Path
) -> None:
    found = verify_bundle(bundle, None, TOLERANCE)
    assert found.is_right and len(found.agreements) == 2 * 5
    assert any(f"({FLAG}=true): error" in line for line in found.lines())
    inputs, outputs = kept_set(MERGED, 1)
    np.savez(tmp_path / "x.npz", **inputs, **outputs)  # type: ignore[arg-type]
    given = verify_bundle(bundle, None, TOLERANCE, given=tmp_path / "x.npz")
    assert given.is_right and {each.when[FLAG] for each in given.agreements} == {True}
    np.savez(tmp_path / "x.npz", **kept_set(MERGED, 0)[0])  # type: ignore[arg-type]
    again = verify_bundle(bundle, None, TOLERANCE, given=tmp_path / "x.npz", model=decoder)
    assert again.is_right and {each.when[FLAG] for each in again.agreements} == {False}
    with pytest.raises(JitwebError, match="has other variants than the bundle"):
        verify_bundle(bundle, None, TOLERANCE, model=decoder, values={FLAG: (1,)})


def test_a_set_value_leaves_one_variant(decoder: Path) -> None:
    (one,) = import_variants(decoder, kept(MERGED)[1], ("wasm",), {FLAG: (True,)})
    inputs, outputs = kept_set(MERGED, 1)
    assert FLAG not in {each.name for each in one.model.plan.inputs} and not one.model.plan.when
    assert_right(run_plan(one.model, inputs), outputs)


def test_inspect_shows_variants_and_what_each_needs(decoder: Path) -> None:
    found = overview(decoder, {}, largest=64)
    assert [each["when"] for each in found.variants] == [{FLAG: False}, {FLAG: True}]
    assert "--shape input_ids=1x" in found.needed and f"--shape {FLAG}=true:input" in found.needed
    shapes = kept(MERGED)[1]
    given = overview(decoder, shapes, largest=64)
    assert not given.problem and not given.needed and given.operators["MatMul"] > 1
    models = [each.model for each in import_variants(decoder, shapes, ("wasm",), {})]
    weights = models[0].weights
    assert abs((given.shipped_bytes or 0) - sum(each.nbytes for each in weights.values())) < 4096


# ---------------------------------------------------------------------------- small ones, by hand


def branch(name: str, nodes: list[onnx.NodeProto], *outputs: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=each) for each in outputs])


def choice(condition: str, outputs: list[str], then: Any, other: Any) -> onnx.NodeProto:
    return node("If", [condition], outputs, then_branch=then, else_branch=other)


def check_variants(model: onnx.ModelProto, inputs: Arrays, flags: list[str], path: Path) -> None:
    """Each variant gives what ONNX's reference gives for the model as it is."""
    onnx.save(model, path)
    variants = import_variants(path, {}, ("wasm",), {})
    assert len(variants) == 2 ** len(flags)
    for each in variants:
        plan = each.model.plan
        assert list(plan.when) == flags
        whole = {**inputs, **{name: np.array([value]) for name, value in plan.when.items()}}
        taken = {tensor.name: whole[tensor.name] for tensor in plan.inputs}
        assert_agree(run_plan(each.model, taken), referred(model, whole))


def test_a_condition_may_be_computed_from_the_input(tmp_path: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = model_of(
        [
            node("Not", ["flag"], ["off"]),
            node("Identity", ["off"], ["same"]),
            choice(
                "same",
                ["y"],
                branch("then", [node("Exp", ["x"], ["a"])], "a"),
                branch("else", [node("Add", ["x", "z"], ["b"])], "b"),
            ),
        ],
        {"x": x, "z": x + 1, "flag": np.array([True])},
        ["y"],
    )
    check_variants(model, {"x": x, "z": x + 1}, ["flag"], tmp_path / "m.onnx")


def test_an_if_in_a_branch_by_another_input_makes_four_variants(tmp_path: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    inner = choice(
        "second",
        ["c"],
        branch("inner then", [node("Exp", ["x"], ["a"])], "a"),
        branch("inner else", [node("Neg", ["x"], ["b"])], "b"),
    )
    model = model_of(
        [
            choice(
                "first",
                ["y"],
                branch("then", [inner], "c"),
                branch("else", [node("Add", ["x", "x"], ["d"])], "d"),
            )
        ],
        {"x": x, "first": np.array([True]), "second": np.array([False])},
        ["y"],
    )
    check_variants(model, {"x": x}, ["first", "second"], tmp_path / "m.onnx")


def test_an_output_may_have_no_elements_in_a_variant(tmp_path: Path) -> None:
    """As Optimum fills up the outputs that the branch with a cache does not have."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    nothing = helper.make_tensor("none", onnx.TensorProto.FLOAT, [0, 3], [])
    then = [node("Exp", ["x"], ["a"]), node("Constant", [], ["e"], value=nothing)]
    other = [node("Neg", ["x"], ["b"]), node("Sin", ["x"], ["f"])]
    branches = branch("then", then, "a", "e"), branch("else", other, "b", "f")
    given = {"x": x, "flag": np.array([True])}
    model = model_of([choice("flag", ["y", "z"], *branches)], given, ["y", "z"])
    check_variants(model, {"x": x}, ["flag"], tmp_path / "m.onnx")


def test_what_variants_need_is_asked_for_in_a_line(tmp_path: Path) -> None:
    path = merged(tmp_path)
    with pytest.raises(JitwebError) as caught:
        import_variants(path, {}, ("wasm",), {})
    assert f"--shape x=1x128x4 --shape {FLAG}=true:x=1x1x4 --shape past=1x127x4" in str(
        caught.value
    )
    for shapes, message in (
        ({"other=true:x": (1, 1, 4)}, f"--shape other=true:x: .* conditions are {FLAG}=true or"),
        ({f"{FLAG}=1:x": (1, 1, 4)}, f"--shape {FLAG}=1:x: the model's conditions are"),
        ({"x": (1, 1, 5)}, "--shape x=1x1x5 does not fit"),
    ):
        with pytest.raises(JitwebError, match=message):
            import_variants(path, shapes, ("wasm",), {})


def test_too_many_conditions_and_numbers_are_asked_for(tmp_path: Path) -> None:
    x = np.ones((2, 2), np.float32)
    flags = [f"flag_{number}" for number in range(4)]
    nodes = [
        choice(
            flag,
            [f"y_{number}"],
            branch(f"then {number}", [node("Exp", ["x"], ["a"])], "a"),
            branch(f"else {number}", [node("Neg", ["x"], ["b"])], "b"),
        )
        for number, flag in enumerate(flags)
    ]
    outputs = [each.output[0] for each in nodes]
    path = tmp_path / "m.onnx"
    onnx.save(model_of(nodes, {"x": x, **{f: np.array([True]) for f in flags}}, outputs), path)
    with pytest.raises(JitwebError, match="with --set flag_0=VALUE"):
        import_variants(path, {}, ("wasm",), {})
    found = import_variants(path, {}, ("wasm",), {"flag_3": (True,), "flag_1": (False,)})
    assert len(found) == 4
    rate = [node("Equal", ["rate", "fast"], ["is_fast"]), nodes[0]]
    rate[1].input[0] = "is_fast"
    inputs = {"x": x, "rate": np.array(8000)}
    onnx.save(model_of(rate, inputs, ["y_0"], {"fast": np.array(16000)}), path)
    with pytest.raises(JitwebError, match="by rate: make a bundle .* --set rate=16000"):
        import_variants(path, {}, ("wasm",), {})
    seen = overview(path, {})
    assert seen.needed == "--set rate=16000" and seen.problem and seen.calls == 1
