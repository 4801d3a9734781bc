"""A bundle computes what the reference does, in Node and in a browser; a damaged one is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from jitweb.bench import bench_bundle
from jitweb.bundle import read_plan
from jitweb.check_inputs import example_inputs
from jitweb.errors import JitwebError
from jitweb.host import open_host
from jitweb.kernel_text import kernel_text
from jitweb.plan import Task, variants_of
from jitweb.serve import serve
from jitweb.verify import _error, verify_bundle
from jitweb.weight_files import parse_size
from jitweb.workflow import Options, tune_model
from tests.tab import Tab

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4


def inputs_of(bundle: Path) -> dict[str, np.ndarray]:
    plan = read_plan(bundle)
    return example_inputs(variants_of(plan)[0].inputs)


def reference(model: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    loaded = onnx.load(model)
    results = ReferenceEvaluator(loaded).run(None, inputs)
    return {value.name: result for value, result in zip(loaded.graph.output, results, strict=True)}


def assert_agree(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert np.abs(found[name] - array).max() <= TOLERANCE * np.abs(array).max()


@pytest.mark.parametrize("kind", ["bert", "gpt", "t5-encoder", "t5-decoder"])
def test_every_small_model_is_right_in_node(
    kind: str, small_models: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / kind
    tune_model(Options(small_models[kind], out), lambda name: None, None)
    inputs = inputs_of(out)
    wanted = reference(small_models[kind], inputs)
    for threads in (1, 3):
        with open_host(out, read_plan(out), "wasm", threads) as host:
            assert host.threads == threads
            for _ in range(3):
                assert_agree(host.run(inputs), wanted)


@pytest.mark.parametrize("kind", ["gpt", "t5-encoder", "t5-decoder"])
def test_every_small_model_is_right_on_webgpu(
    kind: str, small_models: dict[str, Path], tmp_path: Path, browser: None
) -> None:
    out = tmp_path / kind
    tune_model(Options(small_models[kind], out, ("webgpu",)), lambda name: None, None)
    inputs = inputs_of(out)
    with open_host(out, read_plan(out), "webgpu", 1) as host:
        assert_agree(host.run(inputs), reference(small_models[kind], inputs))


def test_weights_are_written_in_parts_of_at_most_a_size(
    products: dict[str, Path], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for out, shard in ((whole, None), (parts, 50_000)):
        tune_model(Options(products["first"], out, shard=shard), lambda name: None, None)
    names = read_plan(parts)["weights"]
    assert names == [f"weights.{number}-of-3.bin" for number in (1, 2, 3)]
    contents = [(parts / name).read_bytes() for name in names]
    assert [len(each) for each in contents[:2]] == [50_000] * 2 and len(contents[2]) <= 50_000
    assert b"".join(contents) == (whole / "weights.safetensors").read_bytes()
    assert not (parts / "weights.safetensors").exists()
    assert verify_bundle(parts, "wasm", TOLERANCE).is_right
    with pytest.raises(JitwebError, match="at most 1000 are possible; give at least 13"):
        options = Options(products["first"], tmp_path / "many", shard=100)
        tune_model(options, lambda name: None, None)
    assert not (tmp_path / "many").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("24MB", 24 * 10**6), ("25MiB", 25 << 20), ("1000", 1000), ("2 kb", 2000)]
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size
    for wrong in (f"-{text}", f"{text}x", "0MB", "MB", "1.5GB"):
        with pytest.raises(ValueError, match="is not a size; give one such as 24MB"):
            parse_size(wrong)


def test_a_bundle_is_verified_on_all_of_its_targets(bundle: Path, browser: None) -> None:
    found = verify_bundle(bundle, None, TOLERANCE)
    assert found.is_right
    assert {each.target for each in found.agreements} == {"wasm", "webgpu"}
    assert found.sources[0].startswith(("onnxruntime", "onnx.reference"))


@pytest.mark.parametrize("threads", [1, 2])
def test_wasm_runs_in_the_browser_where_that_is_asked_for(
    bundle: Path, browser: None, threads: int
) -> None:
    assert verify_bundle(bundle, "wasm", TOLERANCE, "browser").is_right
    report = bench_bundle(bundle, "wasm", threads, 0.3, "browser")
    assert report["threads"] == threads
    assert "Chrom" in report["device"] and "Node" not in report["device"]


def test_a_device_that_lacks_the_target_is_refused(bundle: Path) -> None:
    with pytest.raises(JitwebError, match="node runs no WebGPU; name another --device"):
        open_host(bundle, read_plan(bundle), "webgpu", 1, "node")


def test_an_id_outside_of_its_table_is_an_error_before_anything_runs(bundle: Path) -> None:
    inputs = inputs_of(bundle)
    with open_host(bundle, read_plan(bundle), "wasm", 1) as host:
        right = host.run(inputs)
        for wrong in (100, -101, 2**31 - 1):
            ids = inputs["input_ids"].copy()
            ids[0, 3] = wrong
            with pytest.raises(JitwebError, match=f"input_ids holds {wrong}; it must be from -100"):
                host.run({**inputs, "input_ids": ids})
        assert_agree(host.run(inputs), right)


def test_the_page_runs_both_targets_and_they_agree(bundle: Path, browser: None) -> None:
    results = {}
    with serve(bundle) as address:
        for target in ("wasm", "webgpu"):
            with Tab(f"{address}?run=1&target={target}") as tab:
                known = tab.wait_for("done")
                assert known["state"] == "done", known
                assert tab.evaluate("crossOriginIsolated") is True
                rows = "[...document.querySelectorAll('#kernels li')].map((row) => row.textContent)"
                kernels = "\n".join(tab.evaluate(rows))
                assert "matmul 16×64×128 + add + gelu" in kernels and "layer norm" in kernels
                assert "fused" not in kernels and "tir" not in kernels
                assert json.loads(tab.evaluate("document.getElementById('state').textContent"))
                results[target] = known["result"]
    for target, result in results.items():
        assert result["target"] == target
        assert result["latency_ms"]["min"] > 0 and result["first_result_ms"] > 0
    for name, values in results["wasm"]["outputs"].items():
        np.testing.assert_allclose(values, results["webgpu"]["outputs"][name], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "kind", "shapes", "flops", "text"),
    [
        ("fused_matmul2_add5_divide_erf_add6_multiply2", "matmul",
         ((1, 16, 64), (64, 128), (128,), (1, 16, 128)), 2 * 16 * 64 * 128,
         "matmul 16×64×128 + add + gelu"),
        ("matmul1", "batched-matmul", ((1, 4, 16, 8), (1, 4, 8, 16), (1, 4, 16, 16)),
         2 * 4 * 16 * 16 * 8, "batched-matmul 4×16×8×16"),
        ("fused_expand_dims1_cast_matmul3_add", "batched-matmul", ((4, 2), (2, 4), (4, 4)),
         2 * 4 * 2 * 4, "batched-matmul 4×2×4 + unsqueeze + cast + add"),
        ("fused_conv2d1_add2_relu", "convolution", ((1, 3, 9, 9), (8, 3, 2, 2), (1, 8, 8, 8)), 1.0,
         "convolution 8×8×8 + add + relu"),
        ("layer_norm", "reduction", ((1, 16, 64), (64,), (1, 16, 64)), 5.0, "layer norm 16×64"),
        ("fused_expand_dims_cast", "elementwise", ((1, 1),), 0.0, "unsqueeze + cast"),
        ("fused_power_multiply1_add5_tir_tanh_multiply4_reshape6", "elementwise", ((16, 8),), 1.0,
         "gelu (tanh) 16×8"),
        ("multiply", "elementwise", ((),), 1.0, "mul"),
    ],
)  # fmt: skip
def test_a_kernel_is_named_by_what_it_does(
    name: str, kind: str, shapes: tuple[tuple[int, ...], ...], flops: float, text: str
) -> None:
    task = Task("key", name, kind, flops, 0.0, 1, shapes, (), frozenset())
    assert kernel_text(task) == text


def test_the_page_runs_a_users_own_ids_and_says_which_it_cannot(
    bundle: Path, browser: None
) -> None:
    def run(ids: str) -> None:
        tab.evaluate(f"""(() => {{
            document.getElementById("ids").value = {json.dumps(ids)};
            window.jitweb.state = "asked";
            document.getElementById("run").click();
        }})()""")
        tab.wait_until("['done', 'error'].includes(window.jitweb.state)")

    with serve(bundle) as address, Tab(f"{address}?target=wasm&threads=1") as tab:
        assert tab.wait_for("ready")["state"] == "ready"
        assert tab.evaluate("document.getElementById('threads').value") == "1"
        run("5, 6 7")
        values = tab.evaluate("window.jitweb.result.outputs.last_hidden_state")
        shown = tab.evaluate("document.getElementById('results').textContent")
        assert f"last_hidden_state: {values[0]:.4g}"[:20] in shown
        for wrong, words in {
            "5 x": "ids are whole numbers",
            "1 " * 17: "17 ids; this bundle takes up to 16",
            "100000": "input_ids holds 100000; it must be from",
        }.items():
            run(wrong)
            assert words in tab.evaluate("document.getElementById('error').textContent")
        run("5 6 7")  # again, after errors
        assert tab.evaluate("window.jitweb.result.outputs.last_hidden_state") == values
    inputs = inputs_of(bundle) | {
        "input_ids": np.array([[5, 6, 7, *[0] * 13]]),
        "attention_mask": np.array([[1] * 3 + [0] * 13]),
        "token_type_ids": np.array([[0, 1] * 8]),
    }
    with open_host(bundle, read_plan(bundle), "wasm", 1) as host:
        wanted = host.run(inputs)["last_hidden_state"].reshape(-1)[: len(values)]
    np.testing.assert_allclose(values, wanted, atol=1e-5)


def test_the_page_finds_the_faster_target_and_remembers_it(bundle: Path, browser: None) -> None:
    with serve(bundle) as address, Tab(address) as tab:
        known = tab.wait_for("ready")
        assert known["state"] == "ready", known
        key = "Object.entries(localStorage).find(([name]) => name.startsWith('jitweb:'))[1]"
        assert tab.evaluate(key) == known["target"]


def test_the_page_says_what_is_wrong(bundle: Path, tmp_path: Path, browser: None) -> None:
    damaged = damage(bundle, tmp_path, "weights.safetensors")
    with serve(damaged) as address, Tab(address) as tab:
        known = tab.wait_for("ready")
        assert known["state"] == "error"
        assert "weights.safetensors was changed" in known["message"]
        assert "was changed" in tab.evaluate("document.getElementById('error').textContent")


def damage(bundle: Path, folder: Path, name: str) -> Path:
    copy = folder / "damaged"
    shutil.copytree(bundle, copy)
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    return copy


@pytest.mark.parametrize("name", ["weights.safetensors", "kernels.relaxed.wasm"])
def test_a_changed_file_is_found_by_verify_and_refused_by_the_runtime(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    damaged = damage(bundle, tmp_path, name)
    found = verify_bundle(damaged, "wasm", TOLERANCE)
    assert not found.is_right and found.changed == (name,)
    with pytest.raises(JitwebError, match=f"{name} was changed"):
        open_host(damaged, read_plan(damaged), "wasm", 1)


def test_wrong_inputs_are_named(bundle: Path) -> None:
    inputs = inputs_of(bundle)
    changes: list[tuple[dict[str, np.ndarray | None], str]] = [
        ({"nothing": np.zeros(1)}, "has no input nothing"),
        ({"input_ids": None}, "input_ids is missing"),
        ({"input_ids": np.zeros((1, 3), np.int64)}, "is 1x3, and must be int64 1x16"),
        ({"input_ids": np.zeros((1, 16), np.float32)}, "is float32, must be int64"),
        ({"input_ids": np.full((1, 16), 1 << 40)}, "not a 32-bit integer"),
    ]
    with open_host(bundle, read_plan(bundle), "wasm", 1) as host:
        for change, words in changes:
            changed: dict[str, np.ndarray | None] = {**inputs, **change}
            given = {name: array for name, array in changed.items() if array is not None}
            with pytest.raises(JitwebError, match=words):
                host.run(given)
        host.run(inputs)


def test_the_runtime_names_wrong_inputs(bundle: Path, browser: None) -> None:
    script = """(async () => {
      const { load } = await import("/runtime.mjs");
      const model = await load("/", { target: "wasm" });
      const right = Object.fromEntries(
        model.inputs.map(({ name }) => [name, new BigInt64Array(16)]));
      const words = async (inputs) => {
        try { await model.run(inputs); return "none"; } catch (error) { return error.message; }
      };
      return [
        await words(right),
        await words({ ...right, nothing: [1] }),
        await words({ input_ids: right.input_ids }),
        await words({ ...right, input_ids: new BigInt64Array(3) }),
        await words({ ...right, input_ids: new Float32Array(16) }),
        await words({ ...right, input_ids: Array(16).fill(2 ** 40) }),
        await words({ ...right, input_ids: Array(16).fill(1) }),
      ];
    })()"""
    with serve(bundle) as address, Tab(f"{address}package.json") as tab:
        tab.wait_until("document.body?.textContent.includes('runtime.mjs')")
        messages = tab.evaluate(script)
    assert messages[0] == messages[6] == "none"
    for message, words in zip(
        messages[1:6],
        ["no input nothing", "is missing", "has 3 elements", "must be int64", "not a 32-bit"],
        strict=True,
    ):
        assert words in message


@pytest.mark.parametrize(
    "change",
    [
        {"output.0.y": None},
        {"places.0.y": None},
        {"scale.0.y": None},
        {"output.0.y": np.zeros(3, np.float32)},
        {"places.0.y": np.array([0, 8])},
        {"places.0.y": np.array([0, -1])},
        {"places.0.y": np.array([0.0, 1.0])},
        {"places.0.y": np.zeros(0, np.int64), "output.0.y": np.zeros(0, np.float32)},
        {"scale.0.y": np.zeros(0)},
        {"scale.0.y": np.zeros(1)},
        {"scale.0.y": np.array([np.inf])},
        {"scale.0.y": np.array([np.nan])},
        {"scale.0.y": np.array([-1.0])},
    ],
)
def test_what_was_kept_of_another_output_verifies_nothing(
    change: dict[str, np.ndarray | None],
) -> None:
    result = np.arange(8, dtype=np.float32).reshape(2, 4)
    kept = {
        "output.0.y": np.array([0, 7], np.float32),
        "places.0.y": np.array([0, 7]),
        "scale.0.y": np.array([7.0]),
    }
    assert _error(kept, "y", result) == 0
    changed: dict[str, np.ndarray | None] = {**kept, **change}
    with pytest.raises(ValueError, match="of y is kept|of y are kept"):
        _error({name: each for name, each in changed.items() if each is not None}, "y", result)


def test_a_bundle_without_its_runtime_is_run_by_our_own(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "copy")
    plan = json.loads((bundle / "plan.json").read_text())
    del plan["files"]["runtime.mjs"]
    (tmp_path / "copy" / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "copy" / "runtime.mjs").unlink()
    found = verify_bundle(tmp_path / "copy", "wasm", TOLERANCE)
    assert found.is_right and found.has_other_runtime


def test_bench_tells_the_documented_keys(bundle: Path) -> None:
    report = bench_bundle(bundle, "wasm", 1, 0.3)
    assert report.keys() >= {"latency_ms", "device", "kernels", "first_result_ms", "tuning_s"}
    assert 0 < report["latency_ms"]["min"] <= report["latency_ms"]["median"]
    assert sum(row["share"] for row in report["kernels"]) == pytest.approx(1)
    whole = sum(row["ms"] * row["sites"] for row in report["kernels"])
    for row in report["kernels"]:
        assert row["share"] == pytest.approx(row["ms"] * row["sites"] / whole)
        assert row["tried"] == 0 and row["candidate"]  # chosen by the static order


def test_a_folder_that_holds_something_else_is_left_alone(
    products: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(JitwebError, match="holds other files"):
        tune_model(Options(products["first"], tmp_path), lambda name: None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_bundle_takes_the_place_of_an_older_one_whole(
    products: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for kind in ("first", "second"):
        tune_model(Options(products[kind], out), lambda name: None, None)
        assert read_plan(out)["model"] == kind
        assert verify_bundle(out, None, TOLERANCE).is_right
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_bundle_of_another_format_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"format": 99}')
    with pytest.raises(JitwebError, match="of another format than this jitweb's"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    "tuning",
    [
        None,
        {"seconds": 1.0, "kernels": {}},
        {"seconds": float("inf"), "kernels": {}},
        {"kernels": {}},
        [],
    ],
)
def test_a_plan_that_does_not_say_how_it_was_tuned_is_refused(
    bundle: Path, tmp_path: Path, tuning: object
) -> None:
    plan = read_plan(bundle)
    plan["targets"]["wasm"]["tuning"] = tuning
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(JitwebError, match=r"plan\.json can't be read"):
        read_plan(tmp_path)


def test_every_file_of_a_bundle_can_be_read_by_a_server(bundle: Path) -> None:
    assert len({path.stat().st_mode for path in bundle.iterdir()}) == 1


def test_a_plan_for_an_unknown_target_is_refused(bundle: Path, tmp_path: Path) -> None:
    plan = read_plan(bundle)
    plan["targets"]["metal"] = plan["targets"]["wasm"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(JitwebError, match="'metal' is not a target"):
        read_plan(tmp_path)


def test_a_plan_names_files_of_its_own_folder_alone(bundle: Path, tmp_path: Path) -> None:
    plan = read_plan(bundle)
    plan["files"]["../secret"] = {"bytes": 1, "sha256": ""}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(JitwebError, match=r"plan\.json can't be read: the files"):
        read_plan(tmp_path)


def test_a_full_disk_leaves_the_older_bundle_as_it_was(
    products: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    tune_model(Options(products["first"], out), lambda name: None, None)
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from jitweb.workflow import Options, tune_model\nfrom jitweb.errors import JitwebError\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: tune_model(Options(Path(sys.argv[1]), Path(sys.argv[2])), lambda name: None, None)\n"
        "except JitwebError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(products["second"]), str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "can't be written" in done.stdout, done.stderr
    assert read_plan(out)["model"] == "first" and verify_bundle(out, None, TOLERANCE).is_right
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_is_removed_by_the_next(
    products: dict[str, Path], tmp_path: Path
) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / f".out.{process.pid}").mkdir()
    (tmp_path / f".out.{process.pid}.old").mkdir()
    tune_model(Options(products["first"], tmp_path / "out"), lambda name: None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_bundle_that_a_killed_run_had_moved_away_comes_back(bundle: Path, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    shutil.copytree(bundle, tmp_path / f".[out].{process.pid}.old")
    (tmp_path / "missing.onnx").touch()
    with pytest.raises(JitwebError):
        tune_model(Options(tmp_path / "missing.onnx", tmp_path / "[out]"), lambda name: None, None)
    assert read_plan(tmp_path / "[out]")["model"] == "bert"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["[out]", "missing.onnx"]


def test_links_beside_a_bundle_are_not_followed(products: dict[str, Path], tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "keep").touch()
    names = {f".out.{process.pid}.old", f".out.{process.pid}", f".out.{os.getpid()}"}
    for name in names:
        (tmp_path / name).symlink_to(mine)
    tune_model(Options(products["first"], tmp_path / "out"), lambda name: None, None)
    assert read_plan(tmp_path / "out")["model"] == "first" and not (tmp_path / "out").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == names | {"out", "mine"}
    assert [path.name for path in mine.iterdir()] == ["keep"]


def test_a_link_to_a_bundle_stays_one(products: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to("elsewhere/real")
    (tmp_path / "elsewhere" / "real").mkdir()
    for _ in range(2):
        tune_model(Options(products["first"], tmp_path / "out"), lambda name: None, None)
    assert (tmp_path / "out").is_symlink()
    assert read_plan(tmp_path / "elsewhere" / "real")["model"] == "first"
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["real"]


def test_names_may_be_any_text_and_shapes_those_of_scalars(tmp_path: Path, browser: None) -> None:
    odd = "x y/../\n\"'<b>é"
    float_, node = TensorProto.FLOAT, helper.make_node
    graph = helper.make_graph(
        [node("Relu", [odd], ["__proto__"]), node("Neg", ["s"], ["constructor"])],
        "odd",
        [
            helper.make_tensor_value_info(odd, float_, [2, 8]),
            helper.make_tensor_value_info("s", float_, []),
        ],
        [
            helper.make_tensor_value_info("__proto__", float_, [2, 8]),
            helper.make_tensor_value_info("constructor", float_, []),
        ],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset]), tmp_path / "odd.onnx")
    options = Options(tmp_path / "odd.onnx", tmp_path / "out", ("wasm", "webgpu"))
    tune_model(options, lambda name: None, None)
    found = verify_bundle(tmp_path / "out", None, TOLERANCE)
    assert found.is_right and len(found.agreements) == 4
