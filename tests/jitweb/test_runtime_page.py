"""The runtime and the page in a browser, on a bundle whose kernels are written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jitweb.serve import serve
from jitweb.verify import RESTORE
from tests.jitweb.tiny import COUNT, HELPERS, POISON, SHADERS, Tiny, changed, check, edit, shader
from tests.tab import Tab


def in_page(folder: Path, *scripts: str, path: str = "runtime.d.mts") -> list[Any]:
    """What each script returns, one after another, in one page of the folder's own server."""
    with serve(folder) as address, Tab(f"{address}{path}") as tab:
        tab.wait_until("location.protocol === 'http:' && document.readyState === 'complete'")
        return [
            tab.evaluate(f"""(async () => {{
                const {{ load }} = await import("/runtime.mjs");
                {HELPERS}
                return plain(await (async () => {{ {script} }})()) ?? null;
            }})()""")
            for script in scripts
        ]


def test_both_targets_give_the_same_in_a_browser(tiny: Path, browser: None) -> None:
    run = """
        const model = await load("/", %s), { target, threads, notes, timings } = model;
        const results = [];
        for (let i = 0; i < 5; i++) results.push(await model.run(right()));
        const calls = await model.profile(right());
        model.dispose();
        const after = await words(() => model.run(right()));
        return { results, target, threads, notes, calls, after, timings };"""
    options = [
        '{ target: "wasm", threads: 1 }', '{ target: "wasm", threads: 3 }', '{ target: "webgpu" }',
    ]  # fmt: skip
    returned = in_page(tiny, *(run % each for each in options))
    assert [(each["target"], each["threads"]) for each in returned] == [
        ("wasm", 1), ("wasm", 3), ("webgpu", 1),
    ]  # fmt: skip
    for each in returned:
        assert each["notes"] == [] and "was disposed of" in each["after"]
        assert each["timings"]["fetch_ms"] > 0 and each["timings"]["first_run_ms"] > 0
        for result in each["results"]:
            check(result)
        assert [call["kernel"] for call in each["calls"]][:4] == [
            "add", "reverse", "reverse", "double",
        ]  # fmt: skip
        assert all(call["ms"] is None or call["ms"] >= 0 for call in each["calls"])
        if each["target"] == "wasm":  # whose kernels take far less than a step of the page's clock
            assert all(call["ms"] > 0 for call in each["calls"])


def test_a_trap_in_a_browsers_thread_fails_its_run_alone(tiny: Path, browser: None) -> None:
    (returned,) = in_page(
        tiny,
        f"""
        const model = await load("/", {{ target: "wasm", threads: 3 }}), messages = [];
        for (let i = 0; i < IDS; i++) {{
          const poisoned = ids();
          poisoned[i] = {POISON}n;
          messages.push(await words(() => model.run({{ x: floats(), ids: poisoned }})));
        }}
        return {{ messages, after: await model.run(right()) }};""",
    )
    assert all("the kernel double failed" in message for message in returned["messages"])
    check(returned["after"])


def test_a_workers_name_makes_no_thread_of_it(tiny: Path, browser: None) -> None:
    """A user's own worker loads a model, with threads, whatever it is called; made of a blob, it
    has no folder that an address could be relative to."""
    program = f"""
        import {{ load }} from "ORIGIN/runtime.mjs";
        {HELPERS}
        onmessage = async () => {{
          const model = await load("/", {{ target: "wasm", threads: 3 }});
          const message = await words(() => load("./out/"));
          postMessage(plain({{ ...(await model.run(right())), threads: model.threads, message }}));
        }};
        postMessage("there");"""
    (returned,) = in_page(
        tiny,
        f"""
        const program = {json.dumps(program)}.replaceAll("ORIGIN", location.origin);
        const address = URL.createObjectURL(new Blob([program], {{ type: "text/javascript" }}));
        const worker = new Worker(address, {{ type: "module", name: "jitweb" }});
        return new Promise((resolve, reject) => {{
          worker.onerror = ({{ message }}) => reject(new Error(message));
          worker.onmessage = ({{ data }}) =>
            data === "there" ? worker.postMessage(0) : resolve(data);
        }});""",
    )
    check(returned)
    assert returned["threads"] == 3
    assert "./out/ is no address in this place" in returned["message"]


def test_threads_need_no_file_of_their_own(tiny: Path, tmp_path: Path, browser: None) -> None:
    """As where a bundler has made one file of the runtime, or the runtime is on another origin."""
    folder = edit(tiny, tmp_path / "bundle", lambda plan: None)
    (folder / "thread.mjs").unlink()
    (returned,) = in_page(
        folder,
        """
        const model = await load("/", { target: "wasm", threads: 3 });
        return { result: await model.run(right()), threads: model.threads, notes: model.notes };""",
    )
    check(returned["result"])
    assert (returned["threads"], returned["notes"]) == (3, [])


def test_runs_that_overlap_take_turns_on_the_gpu(tiny: Path, browser: None) -> None:
    (returned,) = in_page(
        tiny,
        """
        const model = await load("/", { target: "webgpu" }), x = floats(), pending = [];
        for (let i = 0; i < 6; i++) {
          pending.push(model.run({ x, ids: ids() }));
          if (i === 2) pending.push(model.profile({ x, ids: ids() }).then(() => null));
        }
        x.fill(-1);
        return Promise.all(pending);""",
    )
    for result in returned[:3] + returned[4:]:
        check(result)


def test_a_lost_device_is_told_and_another_load_brings_the_model_back(
    tiny: Path, browser: None
) -> None:
    (returned,) = in_page(
        tiny,
        """
        const make = async () => (await navigator.gpu.requestAdapter()).requestDevice();
        const device = await make();
        const model = await load("/", { target: "webgpu", device });
        const before = await model.run(right());
        device.destroy();
        const messages = [];
        for (let i = 0; i < 2; i++) messages.push(await words(() => model.run(right())));
        const second = await make(), again = await load("/", { target: "webgpu", device: second });
        const after = await again.run(right());
        again.dispose(); // which leaves the device to its owner
        const third = await load("/", { target: "webgpu", device: second });
        return { before, messages, after, third: await third.run(right()) };""",
    )
    for message in returned["messages"]:
        assert message.startswith("Error: the GPU device was lost") and "oad the model" in message
    for name in ("before", "after", "third"):
        check(returned[name])


BROKEN = "@group(0) @binding(0) var<storage, read> a: array<f32>; fn main( {"


@pytest.mark.parametrize(
    ("bundle_of", "wanted"),
    [
        (Tiny(limits={"maxBufferSize": 1 << 50}), "the model needs maxBufferSize"),
        (Tiny(limits={"maxOfNothing": 1}), "this GPU has undefined"),
        (Tiny(features=["no-such-feature"]), "this GPU lacks no-such-feature"),
        (Tiny(shaders={"add": BROKEN}), "the kernel add is refused"),
        (
            # A kernel may not read the slot that it writes: known when the call is encoded.
            Tiny(calls=[("reverse", [{"slot": 3}, {"slot": 3}], COUNT)]),
            "the GPU refused the model",
        ),
    ],
)
def test_what_a_gpu_cannot_do_is_an_error_and_never_zeros(
    bundle_of: Tiny, wanted: str, tmp_path: Path, browser: None
) -> None:
    folder = bundle_of.write(tmp_path / "bundle")
    (message,) = in_page(
        folder,
        'return words(async () => (await load("/", { target: "webgpu" })).run(right()));',
    )
    assert message.startswith("Error: ") and wanted in message


def test_limits_beyond_the_defaults_are_asked_for(
    tiny: Path, tmp_path: Path, browser: None
) -> None:
    """A kernel of nine buffers: every device has to have eight."""

    def widen(plan: dict[str, Any]) -> None:
        part = plan["targets"]["webgpu"]
        part["limits"] = {"maxStorageBuffersPerShaderStage": 9, "maxBufferSize": 4 * COUNT}
        code = shader(
            ["f32"] * 8, "f32", "a[i] + b[i] + (c[i] + d[i] + e[i] + f[i] + g[i] + h[i]) * 0", COUNT
        )
        part["shaders"]["add"] |= {"code": code, "writes": [8]}
        calls = plan["variants"][0]["calls"]["webgpu"]
        calls[0]["args"] = [{"slot": 0}, *[{"weight": "w"}] * 7, {"slot": 3}]

    folder = edit(tiny, tmp_path / "wide", widen)
    (returned,) = in_page(
        folder,
        """
        const { limits } = await navigator.gpu.requestAdapter();
        if (limits.maxStorageBuffersPerShaderStage < 9) return null;
        return (await load("/", { target: "webgpu" })).run(right());""",
    )
    if returned is None:
        pytest.skip("the adapter has no more than eight")
    check(returned)


def test_of_two_targets_the_faster_one_is_found_once_and_then_remembered(
    tiny: Path, tmp_path: Path, browser: None
) -> None:
    script = """
        const model = await load("/"), result = await model.run(right());
        return { result, target: model.target, known: { ...localStorage }, notes: model.notes };"""
    # Rounds that no compiler can leave out, so that there is no doubt which target is faster.
    rounds = "for (var n = 0; n < 60000; n++) { out[i] = out[i] * 0.5 + f32(n); }"
    busy = SHADERS["add"][0].replace("  out[i] =", f"  {rounds}\n  out[i] =")
    slow = Tiny(shaders={"add": busy}).write(tmp_path / "slow")
    first, second = in_page(slow, script, script)
    assert first["target"] == second["target"] == next(iter(first["known"].values())) == "wasm"
    assert first["known"] == second["known"]
    check(first["result"])
    broken = Tiny(shaders={"add": BROKEN}).write(tmp_path / "broken")
    (returned,) = in_page(broken, script)
    assert returned["target"] == "wasm"
    assert len(returned["notes"]) == 1 and returned["notes"][0].startswith("webgpu can't be used: ")


def test_progress_in_a_page_is_by_bytes(tiny: Path, browser: None) -> None:
    (returned,) = in_page(
        tiny,
        """
        const last = {};
        await load("/", { target: "wasm", onProgress: (each) => (last[each.file] = each) });
        return last;""",
    )
    for name in ("plan.json", "weights.safetensors", "kernels.relaxed.wasm"):
        size = (tiny / name).stat().st_size
        assert returned[name] == {"file": name, "loaded": size, "total": size}


@pytest.mark.parametrize("target", ["wasm", "webgpu"])
def test_the_page_of_a_bundle_tells_what_it_measured(
    target: str, tiny: Path, browser: None
) -> None:
    with serve(tiny) as address, Tab(f"{address}?target={target}&run=1") as tab:
        known = tab.wait_for("done")
        assert known["state"] == "done", known
        shown = json.loads(tab.evaluate("document.getElementById('state').textContent"))
        rows = tab.evaluate(
            "[...document.querySelectorAll('#kernels li')].map((row) => row.textContent)"
        )
    result = known["result"]
    assert shown == known
    assert result["target"] == target and result["threads"] >= 1
    assert 0 < result["latency_ms"]["min"] <= result["latency_ms"]["median"]
    assert result["first_result_ms"] >= result["timings"]["fetch_ms"]
    assert {row["task"]: row["sites"] for row in result["kernels"]}["reverse"] == 2
    assert len(rows) == len(result["kernels"]) and any("2 × reverse" in row for row in rows)


def test_a_file_that_goes_on_beyond_its_size_is_not_read_to_its_end(
    tiny: Path, tmp_path: Path, browser: None
) -> None:
    folder = edit(tiny, tmp_path / "bundle", lambda plan: None)
    with (folder / "weights.safetensors").open("ab") as file:
        file.truncate(1 << 30)
    (message,) = in_page(folder, 'return words(() => load("/", { target: "wasm" }));')
    assert message == (
        f"Error: weights.safetensors was changed: it is larger than the bundle says; {RESTORE}"
    )


def test_the_page_of_a_damaged_bundle_says_which_file_it_is(
    tiny: Path, tmp_path: Path, browser: None
) -> None:
    folder = changed(tiny, "weights.safetensors", tmp_path / "bundle")
    with serve(folder) as address, Tab(f"{address}?run=1") as tab:
        known = tab.wait_for("done")
        assert known["state"] == "error" and "weights.safetensors was changed" in known["message"]
        assert "weights.safetensors was changed" in tab.evaluate(
            "document.getElementById('error').textContent"
        )
