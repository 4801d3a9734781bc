"""The runtime in Node keeps its promises, on a bundle whose kernels are written by hand."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.devices.node import find_node
from tests.jitweb.site import Site
from tests.jitweb.tiny import (
    COUNT,
    HELPERS,
    IDS,
    POISON,
    SHADERS,
    STATIC_END,
    WEB,
    Tiny,
    changed,
    check,
    edit,
    wasm_module,
    weight,
)

RUNTIME = (WEB / "runtime.mjs").as_uri()
SECONDS = 15.0


def in_node(script: str) -> Any:
    """What the body of an async function returns; the program has to end by itself."""
    program = f"""import {{ load }} from "{RUNTIME}";
        {HELPERS}
        console.log(JSON.stringify(plain(await (async () => {{ {script} }})()) ?? null));"""
    done = subprocess.run(
        [find_node(), "--input-type=module", "-e", program],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("small", [(), ("reverse",), ("add", "double"), tuple(SHADERS)])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_are_right_with_any_number_of_threads(
    threads: int, small: tuple[str, ...], tmp_path: Path
) -> None:
    folder = Tiny(turns=40, small=small).write(tmp_path / "bundle")
    returned = in_node(f"""
        const model = await load("{folder}", {{ threads: {threads} }});
        const results = [];
        for (let i = 0; i < 20; i++) results.push(await model.run(right()));
        return {{ results, threads: model.threads, notes: model.notes }};""")
    assert returned["threads"] == threads and returned["notes"] == []
    for result in returned["results"]:
        check(result)


def test_every_thread_has_a_stack_of_its_own(tiny: Path) -> None:
    returned = in_node(f"""
        const model = await load("{tiny}", {{ threads: {IDS} }});
        return (await model.run(right())).stacks;""")
    assert len(set(returned)) == IDS and min(returned) == STATIC_END
    assert all(pointer % 16 == 0 for pointer in returned)


def scratch_calls(second: str) -> Any:
    """A change to a plan: the sum of x and w goes through scratch memory, then through `second`."""

    def change(plan: dict[str, Any]) -> None:
        there = [{"slot": 0}, {"weight": "w"}, {"scratch": 256}]
        back = [{"scratch": 256}, *[{"weight": "w"}] * (second == "add"), {"slot": 3}]
        size = 256 + 4 * COUNT
        plan["variants"][0]["calls"]["wasm"] = [
            {"task": name, "kernel": name, "args": args, "rows": COUNT, "scratch": size}
            for name, args in (("add", there), (second, back))
        ]

    return change


@pytest.mark.parametrize("threads", [1, 3])
def test_kernels_have_scratch_memory(tiny: Path, tmp_path: Path, threads: int) -> None:
    folder = edit(tiny, tmp_path / "scratch", scratch_calls("add"))
    returned = in_node(f"""
        const model = await load("{folder}", {{ threads: {threads} }});
        return (await model.run(right())).y;""")
    np.testing.assert_array_equal(returned, np.arange(COUNT) + 2 * weight())


def test_no_thread_sees_the_scratch_memory_of_another(tiny: Path, tmp_path: Path) -> None:
    folder = edit(tiny, tmp_path / "scratch", scratch_calls("reverse"))
    returned = in_node(f"""
        const model = await load("{folder}", {{ threads: 2 }});
        return (await model.run(right())).y;""")
    assert not np.any(returned)  # each half is what the other thread wrote, into its own memory


def test_a_bundle_loads_from_a_path_and_from_a_file_url(tiny: Path) -> None:
    for place in (f"{tiny}", f"{tiny}/", tiny.as_uri()):
        check(in_node(f'return (await load("{place}")).run(right());'))
    check(in_node(f'return (await load(new URL("{tiny.as_uri()}/"))).run(right());'))


@pytest.fixture
def in_parts(tiny: Path, tmp_path: Path) -> Path:
    """The bundle with its weights in parts of 500 bytes."""
    content = (tiny / "weights.safetensors").read_bytes()
    parts = [content[at : at + 500] for at in range(0, len(content), 500)]
    files = {f"w.{number}.bin": part for number, part in enumerate(parts)}

    def change(plan: dict[str, Any]) -> None:
        plan["weights"] = list(files)
        for name, part in files.items():
            sha256 = hashlib.sha256(part).hexdigest()
            plan["files"][name] = {"bytes": len(part), "sha256": sha256}

    folder = edit(tiny, tmp_path / "parts", change)
    (folder / "weights.safetensors").unlink()
    for name, part in files.items():
        (folder / name).write_bytes(part)
    return folder


def test_weights_may_come_in_parts_each_of_which_is_checked(in_parts: Path) -> None:
    check(in_node(f'return (await load("{in_parts}", {{ target: "wasm" }})).run(right());'))
    content = (in_parts / "w.1.bin").read_bytes()
    for other in (content[:-1], content + b"x", b"x" + content[1:]):
        (in_parts / "w.1.bin").write_bytes(other)
        message = in_node(f'return words(() => load("{in_parts}"));')
        assert message.startswith("Error: w.1.bin was changed")
    for other in (content[:-1], content + b"x"):
        (in_parts / "w.1.bin").write_bytes(other)
        message = in_node(f'return words(() => load("{in_parts}", {{ verify: false }}));')
        assert message.startswith("Error: w.1.bin was changed")


def test_without_an_address_a_bundle_loads_from_the_folder_of_its_runtime(tiny: Path) -> None:
    check(
        in_node(f"""
        const {{ load }} = await import("{(tiny / "runtime.mjs").as_uri()}");
        return (await load()).run(right());""")
    )


@pytest.mark.parametrize("end", ["/", ""])
def test_the_query_of_a_signed_address_goes_with_each_file_and_into_no_message(
    end: str, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").symlink_to(tiny)
    with Site(tmp_path, query="key=a%2Fb&x") as site:
        returned = in_node(f"""
            const model = await load("{site.address}there{end}?key=a%2Fb&x#part");
            const messages = [], places = ["there/?secret", "nowhere?key=a%2Fb&x"];
            for (const place of places)
              messages.push(await words(() => load(`{site.address}${{place}}`)));
            return {{ result: await model.run(right()), messages }};""")
    check(returned["result"])
    assert "plan.json can't be fetched: 403" in returned["messages"][0]
    assert f"is {site.address}nowhere/ the folder of a bundle?" in returned["messages"][1]
    assert not any("secret" in each or "key" in each for each in returned["messages"])


def test_outputs_bear_their_shape_and_dtype(tiny: Path) -> None:
    returned = in_node(f"""
        const {{ y, twice }} = await (await load("{tiny}")).run(right());
        return [y, twice].map(({{ dims, dtype, length }}) => ({{ dims, dtype, length }}));""")
    assert returned == [
        {"dims": [2, COUNT // 2], "dtype": "float32", "length": COUNT},
        {"dims": [1, IDS], "dtype": "int64", "length": IDS},
    ]


def test_the_model_says_what_it_is(tiny: Path) -> None:
    returned = in_node(f"""
        const model = await load("{tiny}"); // with as many threads as this machine has
        const before = {{ ...model.timings }};
        await model.run(right());
        const {{ name, inputs, outputs, target, device, threads, notes, timings }} = model;
        return {{ name, inputs, outputs, target, device, threads, notes, before, timings }};""")
    assert returned["inputs"] == [
        {"name": "x", "dtype": "float32", "shape": [2, COUNT // 2]},
        {"name": "ids", "dtype": "int64", "shape": [1, IDS]},
    ]
    assert [each["name"] for each in returned["outputs"]] == ["y", "twice", "stacks"]
    assert (returned["name"], returned["target"]) == ("tiny", "wasm")
    assert returned["threads"] == min(8, len(os.sched_getaffinity(0)))
    assert returned["device"].startswith("Node v")
    assert returned["before"]["first_run_ms"] is None
    assert all(value > 0 for value in returned["timings"].values())


# Inputs that are wrong, and the part of the message that says how to fix them.
WRONG = {
    "{ ...right(), nothing: [1] }": "has no input nothing; it has x, ids",
    "{ x: floats() }": "ids is missing: int64 [1, 5], 5 elements",
    "{ ...right(), ids: null }": "ids is missing: int64 [1, 5]",
    "undefined": "x is missing: float32 [2, 256], 512 elements",
    "{ ...right(), x: new Float32Array(3) }": "x has 3 elements, and must be float32 [2, 256]",
    "{ ...right(), x: new BigInt64Array(COUNT) }": "x must be float32 [2, 256]",
    "{ ...right(), x: new Int32Array(COUNT) }": "x must be float32 [2, 256]",
    "{ ...right(), x: Array(COUNT).fill('1') }": "x holds 1, which is not a number",
    "{ ...right(), x: Array(COUNT).fill(1n) }": "x holds 1, which is not a number",
    "{ ...right(), x: 'x'.repeat(COUNT) }": "x must be float32 [2, 256]",
    "{ ...right(), ids: new Float32Array(IDS) }": "ids must be int64 [1, 5]",
    "{ ...right(), ids: 5 }": "ids must be int64 [1, 5]",
    "{ ...right(), ids: [1, 2, 3, 4, 1.5] }": "ids holds 1.5, which is not a 32-bit integer",
    "{ ...right(), ids: [1, 2, 3, 4, null] }": "ids holds null, which is not a 32-bit integer",
    "{ ...right(), ids: [1, 2, 3, 4, '5'] }": "ids holds 5, which is not a 32-bit integer",
    "{ ...right(), ids: [1, 2, 3, 4, 2 ** 31] }": "ids holds 2147483648, which is not a 32-bit",
    "{ ...right(), ids: BigInt64Array.of(0n, 0n, 0n, 0n, -(2n ** 31n) - 1n) }": "-2147483649",
}


def test_wrong_inputs_are_told_as_rejections_and_leave_the_model_usable(tiny: Path) -> None:
    cases = ", ".join(f"() => ({each})" for each in WRONG)
    returned = in_node(f"""
        const model = await load("{tiny}");
        const messages = [];
        for (const wrong of [{cases}]) {{
          const pending = model.run(wrong()); // a rejection, and nothing thrown before it
          messages.push(await words(() => pending));
        }}
        return {{ messages, after: await model.run(right()) }};""")
    for message, wanted in zip(returned["messages"], WRONG.values(), strict=True):
        assert message.startswith("Error: ") and wanted in message
    check(returned["after"])


def test_integers_may_come_as_bigints_numbers_or_an_int32_array(tiny: Path) -> None:
    returned = in_node(f"""
        const model = await load("{tiny}"), given = ids(), results = [];
        const narrow = [...given].map(Number);
        for (const each of [given, [...given], narrow, Int32Array.from(narrow)])
          results.push(await model.run({{ x: [...floats()], ids: each }}));
        const edges = [-1073741824n, 1073741823n, 0n, 0n, 0n];
        const {{ twice }} = await model.run({{ x: floats(), ids: edges }});
        return {{ results, edges: twice, type: twice.constructor.name }};""")
    for result in returned["results"]:
        check(result)
    assert returned["type"] == "BigInt64Array"
    assert returned["edges"] == [-(2**31), 2**31 - 2, 0, 0, 0]


def test_runs_that_overlap_take_turns_and_keep_the_inputs_they_were_given(tiny: Path) -> None:
    returned = in_node(f"""
        const model = await load("{tiny}", {{ threads: 2 }});
        const x = floats(), pending = [];
        for (let i = 0; i < 10; i++) {{
          const run = model.run(i === 5 ? {{}} : {{ x, ids: ids() }});
          pending.push(run.catch((error) => (i === 5 ? null : error.message)));
          x.fill(-1); // what was given is the model's by now
          x.set(floats());
        }}
        x.fill(-1);
        return Promise.all(pending);""")
    assert returned[5] is None
    for result in returned[:5] + returned[6:]:
        check(result)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_kernel_that_traps_fails_its_run_alone(threads: int, tiny: Path) -> None:
    """Whichever thread it happens in."""
    returned = in_node(f"""
        const model = await load("{tiny}", {{ threads: {threads} }});
        const messages = [], results = [await model.run(right())];
        for (let i = 0; i < IDS; i++) {{
          const poisoned = ids();
          poisoned[i] = {POISON}n;
          messages.push(await words(() => model.run({{ x: floats(), ids: poisoned }})));
          results.push(await model.run(right()));
        }}
        return {{ messages, results }};""")
    assert all("the kernel double failed" in message for message in returned["messages"])
    for result in returned["results"]:
        check(result)
        assert result["stacks"] == returned["results"][0]["stacks"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_that_was_disposed_of_says_so(threads: int, tiny: Path) -> None:
    returned = in_node(f"""
        const model = await load("{tiny}", {{ threads: {threads} }});
        await model.run(right());
        const queued = words(() => model.run(right()));
        model.dispose();
        model.dispose();
        return [await queued, await words(() => model.run(right())),
                await words(() => model.profile(right()))];""")
    assert all("Error: the model was disposed of" in message for message in returned)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_may_be_disposed_of_while_it_is_profiled(threads: int, tiny: Path) -> None:
    returned = in_node(f"""
        const returned = [];
        for (const when of [(work) => setTimeout(work, 70), (work) => work()]) {{
          const model = await load("{tiny}", {{ threads: {threads} }});
          model.run(right()).then(() => when(() => model.dispose()));
          returned.push(await words(() => model.profile(right())));
        }}
        return returned;""")
    assert all("Error: the model was disposed of" in message for message in returned)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_profile_has_a_time_for_every_call(threads: int, tiny: Path) -> None:
    calls = in_node(f"""
        const model = await load("{tiny}", {{ threads: {threads} }});
        return model.profile(right());""")
    assert [call["kernel"] for call in calls] == ["add", "reverse", "reverse", "double", "stack"]
    for call in calls:
        assert call["task"] == call["name"] == call["kernel"] and call["kind"] == "elementwise"
        assert call["ms"] >= 0


@pytest.mark.parametrize("name", ["weights.safetensors", "kernels.relaxed.wasm"])
def test_a_changed_file_is_refused_unless_that_is_wanted(
    name: str, tiny: Path, tmp_path: Path
) -> None:
    folder = changed(tiny, name, tmp_path / "bundle")
    message = in_node(f'return words(() => load("{folder}"));')
    assert f"Error: {name} was changed" in message
    if name.startswith("weights"):
        assert in_node(f'return words(() => load("{folder}", {{ verify: false }}));') == "none"
    (folder / name).unlink()
    assert f"{name} can't be read" in in_node(f'return words(() => load("{folder}"));')


def test_what_is_no_bundle_for_this_place_is_refused_in_words(tiny: Path, tmp_path: Path) -> None:
    newer = edit(tiny, tmp_path / "newer", lambda plan: plan.update(format=3))
    gpu_only = edit(tiny, tmp_path / "gpu", lambda plan: plan["targets"].pop("wasm"))
    no_weight = edit(
        tiny, tmp_path / "weight",
        lambda plan: plan["variants"][0]["calls"]["wasm"][0]["args"][1].update(weight="other"),
    )  # fmt: skip
    outside = edit(
        tiny, tmp_path / "outside",
        lambda plan: plan["targets"]["wasm"]["modules"].update(
            relaxed="../tiny.wasm", simd128="../tiny.wasm"
        ),
    )  # fmt: skip
    page = tmp_path / "page"
    page.mkdir()
    (page / "plan.json").write_text("<!doctype html>")
    cases = [
        (newer, "{}", "is of format 3, this runtime knows 2: tune the model again"),
        (gpu_only, "{}", "there is no WebGPU here"),
        (gpu_only, '{ target: "wasm" }', "the bundle has no wasm; it has webgpu"),
        (tiny, '{ target: "webgpu" }', "there is no WebGPU here"),
        (tiny, "{ threads: 0 }", "threads must be a whole number from 1 up"),
        (tiny, '{ threads: "two" }', "threads must be a whole number from 1 up"),
        (tiny, "{ thread: 2 }", "load has no option thread; it has target, threads, worker"),
        (tiny, "{ signal: {} }", "signal must be an AbortSignal"),
        (tiny, "{ worker: true, device: {} }", "leave out device or worker"),
        (tmp_path / "nowhere", "{ worker: true }", "plan.json can't be read"),
        (no_weight, "{}", "the weight other is missing from weights.safetensors"),
        (outside, "{}", "plan.json can't be used: the module of relaxed"),
        (page, "{}", "plan.json is not a plan"),
        (tmp_path / "nowhere", "{}", "plan.json can't be read"),
    ]
    loads = ", ".join(f'() => load("{folder}", {options})' for folder, options, _ in cases)
    returned = in_node(f"return Promise.all([{loads}].map(words));")
    for message, (_, _, wanted) in zip(returned, cases, strict=True):
        assert message.startswith("Error: ") and wanted in message


def test_where_threads_cannot_share_memory_one_does_it_and_the_model_says_so(
    tmp_path: Path,
) -> None:
    """A module that is none once its memory is made shared: the flag's place is wrong."""
    folder = Tiny(memory_flag=len(wasm_module()) - 1).write(tmp_path / "bundle")
    returned = in_node(f"""
        const model = await load("{folder}", {{ threads: 2 }});
        const {{ threads, notes }} = model;
        return {{ result: await model.run(right()), threads, notes }};""")
    check(returned["result"])
    assert returned["threads"] == 1
    assert len(returned["notes"]) == 1 and returned["notes"][0].startswith("one thread: ")


def test_what_is_no_address_is_said_to_be_none(tiny: Path) -> None:
    message = in_node("return words(() => load({ threads: 2 }));")
    assert "the first argument of load is the address of the bundle's folder" in message


def test_an_old_node_is_told_which_the_runtime_needs(tiny: Path) -> None:
    message = in_node(f"""
        delete process.getBuiltinModule; // which came with Node 20.16
        return words(() => load("{tiny}"));""")
    assert message.startswith("Error: this is Node ") and "needs 20.16, 22.3 or later" in message


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_in_a_worker_is_like_one_here(threads: int, tiny: Path) -> None:
    returned = in_node(f"""
        const seen = {{}}, onProgress = (each) => (seen[each.file] = each);
        const model = await load("{tiny}", {{ worker: true, threads: {threads}, onProgress }});
        const results = [];
        for (let i = 0; i < 3; i++) results.push(model.run(right()));
        const {{ y }} = await results[0];
        const facts = {{ dims: y.dims, dtype: y.dtype, inputs: model.inputs, notes: model.notes }};
        const first = model.timings.first_run_ms, calls = (await model.profile(right())).length;
        const wrong = await words(() => model.run({{ x: [1], ids: ids() }}));
        const value = {{ results: await Promise.all(results), facts, first, calls, wrong }};
        if ({threads} === 1) return {{ ...value, seen }}; // and ends, though it is not disposed of
        model.dispose();
        return {{ ...value, seen, after: await words(() => model.run(right())) }};""")
    for result in returned["results"]:
        check(result)
    assert returned["facts"]["dims"] == returned["facts"]["inputs"][0]["shape"]
    assert (returned["facts"]["dtype"], returned["facts"]["notes"]) == ("float32", [])
    assert returned["first"] > 0 and returned["calls"] == 5
    assert "x has 1 elements" in returned["wrong"] and "weights.safetensors" in returned["seen"]
    assert "was disposed of" in returned.get("after", "was disposed of")


@pytest.mark.parametrize("worker", ["false", "true"])
def test_a_signal_ends_a_load_or_a_run_and_no_other(worker: str, tiny: Path) -> None:
    returned = in_node(f"""
        const options = {{ worker: {worker}, threads: 2 }}, aborted = [], later = [];
        const controller = new AbortController(), {{ signal }} = controller;
        const loading = load("{tiny}", {{ ...options, signal }});
        controller.abort(new Error("enough"));
        aborted.push(await words(() => loading));
        aborted.push(await words(() => load("{tiny}", {{ ...options, signal }})));
        const model = await load("{tiny}", options), second = new AbortController();
        const others = [model.run(right())];
        const queued = [0, 1].map(() => model.run(right(), {{ signal: second.signal }}));
        others.push(model.run(right(), {{ signal: new AbortController().signal }}));
        second.abort(new Error("enough"));
        for (const each of queued) aborted.push(await words(() => each));
        aborted.push(await words(() => model.run(right(), {{ signal }})));
        const wrong = await words(() => model.run(right(), {{ timeout: 1 }}));
        return {{ aborted, wrong, results: await Promise.all(others) }};""")
    assert returned["aborted"] == ["Error: enough"] * 5
    assert returned["wrong"] == "Error: a run has no option timeout; it has signal"
    for result in returned["results"]:
        check(result)


def test_progress_ends_with_every_byte_of_every_file(tiny: Path) -> None:
    returned = in_node(f"""
        const seen = {{}};
        await load("{tiny}", {{ onProgress: (each) => (seen[each.file] = each) }});
        return seen;""")
    assert {"plan.json", "weights.safetensors", "kernels.relaxed.wasm"} <= returned.keys()
    for name, each in returned.items():
        size = (tiny / name).stat().st_size
        assert each == {"file": name, "loaded": size, "total": size}


def test_a_thread_of_the_users_own_may_load_a_model_and_ends_when_it_is_done(
    tiny: Path, tmp_path: Path
) -> None:
    program = tmp_path / "worker.mjs"
    program.write_text(f"""
        import {{ parentPort }} from "node:worker_threads";
        import {{ load }} from "{RUNTIME}";
        {HELPERS}
        const model = await load("{tiny}", {{ threads: 2 }});
        parentPort.postMessage(plain(await model.run(right())));""")
    returned = in_node(f"""
        const {{ Worker }} = await import("node:worker_threads");
        const worker = new Worker("{program}", {{ execArgv: [] }});
        worker.postMessage(null);
        return new Promise((resolve, reject) => {{
          let returned;
          worker.on("message", (value) => (returned = value));
          worker.on("error", reject);
          worker.on("exit", () => resolve(returned));
        }});""")
    check(returned)
