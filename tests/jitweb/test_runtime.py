"""The runtime keeps its promises on bundles so small that their kernels are written by hand."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import struct
import subprocess
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitweb
from harness.devices.node import find_node
from jitweb.serve import serve
from tests.tab import Tab

WEB = Path(jitweb.__file__).parent / "web"
RUNTIME = (WEB / "runtime.mjs").as_uri()
COUNT = 512  # elements of the float input
IDS = 5
POISON = 13  # an element that makes the kernel `double` trap
STATIC_END = 1024
SECONDS = 15.0

# ------------------------------------------------------------------------- a module, byte by byte


def leb(value: int) -> bytes:
    """LEB128, signed, which for these small numbers with a spare bit is unsigned as well."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        if value == 0 and not byte & 0x40:
            return bytes([*out, byte])
        out.append(byte | 0x80)


def unsigned(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def sized(content: bytes) -> bytes:
    return unsigned(len(content)) + content


def listed(items: Sequence[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


def get(local: int) -> bytes:
    return bytes([0x20, local])


def const(value: int) -> bytes:
    return b"\x41" + leb(value)


def element(pointer: int, index: bytes) -> bytes:
    """The address of a four-byte element."""
    return get(pointer) + index + const(2) + b"\x74\x6a"  # i32.shl, i32.add


def loop(pointers: int, body: bytes) -> bytes:
    """A function (pointers…, begin, end) that does `body` for each of [begin, end)."""
    begin, end = pointers, pointers + 1
    guard = get(begin) + get(end) + b"\x4e\x0d\x01"  # leave when begin >= end
    step = get(begin) + const(1) + b"\x6a" + bytes([0x21, begin]) + b"\x0c\x00"
    return sized(b"\x00\x02\x40\x03\x40" + guard + body + step + b"\x0b\x0b\x0b")


LOAD, STORE, FLOAT_LOAD, FLOAT_STORE, FLOAT_ADD = (
    b"\x28\x02\x00", b"\x36\x02\x00", b"\x2a\x02\x00", b"\x38\x02\x00", b"\x92",
)  # fmt: skip
TAKE_STACK = b"\x23\x00" + const(16) + b"\x6b\x24\x00"  # sp -= 16
READ = element(0, get(3)) + FLOAT_LOAD + element(1, get(3)) + FLOAT_LOAD + FLOAT_ADD
KERNELS = {
    # out[i] = a[i] + b[i]
    "add": (3, element(2, get(3)) + READ + FLOAT_STORE),
    # out[i] = a[COUNT - 1 - i]: right only if the call before it was done by all threads
    "reverse": (
        2,
        element(1, get(2)) + element(0, const(COUNT - 1) + get(2) + b"\x6b")
        + FLOAT_LOAD + FLOAT_STORE,
    ),
    # out[i] = a[i] + a[i]; where a[i] is POISON, a trap with part of the stack taken
    "double": (
        2,
        element(0, get(2)) + LOAD + const(POISON) + b"\x46\x04\x40" + TAKE_STACK + b"\x00\x0b"
        + element(1, get(2)) + (element(0, get(2)) + LOAD) * 2 + b"\x6a" + STORE,
    ),
    # out[i] = the stack pointer of the thread
    "stack": (1, element(0, get(1)) + b"\x23\x00" + STORE),
}  # fmt: skip


def wasm_module() -> bytes:
    """A module of KERNELS, with the stack pointer exported as `sp`."""
    types = [b"\x60" + listed([b"\x7f"] * (count + 2)) + b"\x00" for count, _ in KERNELS.values()]
    memory = b"\x03env\x06memory\x02\x01" + unsigned(1) + unsigned(65536)
    exports = [
        sized(name.encode()) + b"\x00" + unsigned(place) for place, name in enumerate(KERNELS)
    ]
    sections = {
        1: listed(types),
        2: listed([memory]),
        3: listed([unsigned(place) for place in range(len(KERNELS))]),
        6: listed([b"\x7f\x01" + const(STATIC_END) + b"\x0b"]),
        7: listed([*exports, b"\x02sp\x03\x00"]),
        10: listed([loop(count, body) for count, body in KERNELS.values()]),
    }
    parts = b"".join(bytes([number]) + sized(content) for number, content in sections.items())
    return b"\x00asm\x01\x00\x00\x00" + parts


def shader(inputs: Sequence[str], output: str, value: str, count: int) -> str:
    """WGSL of an elementwise kernel, one element an invocation."""
    names = "abcdefgh"
    bindings = [
        f"@group(0) @binding({place}) var<storage, read> {names[place]}: array<{dtype}>;"
        for place, dtype in enumerate(inputs)
    ]
    last = len(inputs)
    return "\n".join([
        *bindings,
        f"@group(0) @binding({last}) var<storage, read_write> out: array<{output}>;",
        "@compute @workgroup_size(64)",
        "fn main(@builtin(workgroup_id) block: vec3<u32>, @builtin(local_invocation_id)"
        " thread: vec3<u32>) {",
        "  let i = block.x * 64 + thread.x;",
        f"  if (i >= {count}) {{ return; }}",
        f"  out[i] = {value};",
        "}",
    ])  # fmt: skip


SHADERS = {
    "add": (shader(["f32", "f32"], "f32", "a[i] + b[i]", COUNT), 2, COUNT),
    "reverse": (shader(["f32"], "f32", f"a[{COUNT - 1} - i]", COUNT), 1, COUNT),
    "double": (shader(["i32"], "i32", "a[i] + a[i]", IDS), 1, IDS),
}

# ------------------------------------------------------------------------------------ a bundle


@dataclass
class Tiny:
    """A model of two inputs: `y` is x plus a weight, `twice` is ids, doubled.

    Between them `x` goes through `turns` reversals, an even number, which leave it as it was.
    """

    turns: int = 2
    targets: tuple[str, ...] = ("wasm", "webgpu")
    memory_flag: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    features: Sequence[str] = ()
    shaders: Mapping[str, str] = field(default_factory=dict)
    small: tuple[str, ...] = ()  # tasks of which a call is not worth sharing among threads
    calls: Sequence[tuple[str, list[dict[str, Any]], int]] | None = None

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        module = wasm_module()
        for variant in ("relaxed", "simd128"):
            (folder / f"kernels.{variant}.wasm").write_bytes(module)
        header = json.dumps(
            {"w": {"dtype": "F32", "shape": [COUNT], "data_offsets": [0, 4 * COUNT]}}
        ).encode()
        content = struct.pack("<Q", len(header)) + header + weight().tobytes()
        (folder / "weights.safetensors").write_bytes(content)
        for path in WEB.iterdir():
            if path.is_file() and not path.name.startswith("host"):
                shutil.copy(path, folder)
        self._write_plan(folder, module)
        return folder

    def _write_plan(self, folder: Path, module: bytes) -> None:
        flag = self.memory_flag or module.index(b"\x06memory\x02") + 8
        calls = self._calls()
        wasm = {
            "modules": {each: f"kernels.{each}.wasm" for each in ("relaxed", "simd128")},
            "memory_flag": {"relaxed": flag, "simd128": flag},
            "stack_pointer": "sp",
            "static_end": STATIC_END,
            "max_pages": 65536,
            "calls": [
                {"task": name, "kernel": name, "args": args, "rows": rows}
                for name, args, rows in calls
            ],
        }
        shaders = {
            name: {
                "code": self.shaders.get(name, code),
                "entry": "main",
                "grid": [-(-count // 64), 1, 1],
                "workgroup": [64, 1, 1],
                "writes": [place],
            }
            for name, (code, place, count) in SHADERS.items()
        }
        webgpu = {
            "shaders": shaders,
            "features": list(self.features),
            "limits": dict(self.limits),
            "calls": [
                {"task": name, "kernel": name, "args": args}
                for name, args, _ in calls
                if name in shaders
            ],
        }
        plan = {
            "format": 1,
            "model": "tiny",
            "inputs": [
                tensor("x", "float32", "float32", [2, COUNT // 2], 0),
                tensor("ids", "int64", "int32", [1, IDS], 1),
            ],
            "outputs": [
                tensor("y", "float32", "float32", [2, COUNT // 2], 3),
                tensor("twice", "int64", "int32", [1, IDS], 4),
                tensor("stacks", "int32", "int32", [IDS], 5),
            ],
            "slots": [4 * COUNT, 4 * IDS, 4 * COUNT, 4 * COUNT, 4 * IDS, 4 * IDS],
            "files": {
                path.name: {
                    "bytes": path.stat().st_size,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
                for path in folder.iterdir()
            },
            "tasks": {
                name: {
                    "kind": "elementwise",
                    "name": name,
                    "flops": 0.0 if name in self.small else 1e9,
                    "bytes": 2.0,
                }
                for name in KERNELS
            },
            "targets": {
                name: part
                for name, part in {"wasm": wasm, "webgpu": webgpu}.items()
                if name in self.targets
            },
        }
        (folder / "plan.json").write_text(json.dumps(plan))

    def _calls(self) -> Sequence[tuple[str, list[dict[str, Any]], int]]:
        if self.calls is not None:
            return self.calls
        there = ("reverse", [{"slot": 3}, {"slot": 2}], COUNT)
        back = ("reverse", [{"slot": 2}, {"slot": 3}], COUNT)
        return [
            ("add", [{"slot": 0}, {"weight": "w"}, {"slot": 3}], COUNT),
            *[there, back] * (self.turns // 2),
            ("double", [{"slot": 1}, {"slot": 4}], IDS),
            ("stack", [{"slot": 5}], IDS),
        ]


def tensor(name: str, dtype: str, stored: str, shape: list[int], slot: int) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "stored": stored, "shape": shape, "slot": slot}


def weight() -> np.ndarray:
    return np.arange(COUNT, dtype=np.float32) / 2


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Tiny().write(tmp_path_factory.mktemp("tiny") / "bundle")


# ------------------------------------------------------------------------------------- in Node

HELPERS = f"const COUNT = {COUNT}, IDS = {IDS};"
HELPERS += """
const numbers = (each) =>
  typeof each === "bigint" ? Number(each) : ArrayBuffer.isView(each) ? [...each].map(Number) : each;
const plain = (value) => JSON.parse(JSON.stringify(value, (_, each) => numbers(each)));
const floats = () => Float32Array.from({ length: COUNT }, (_, i) => i);
const ids = () => BigInt64Array.from([1n, -2n, 3n, 2147483n, 0n]);
const right = () => ({ x: floats(), ids: ids() });
const words = async (work) => {
  try { await work(); return "none"; } catch (error) { return `${error.name}: ${error.message}`; }
};
"""


def in_node(script: str) -> Any:
    """What the body of an async function gives; the program has to end by itself."""
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


def check(outputs: Mapping[str, Any]) -> None:
    np.testing.assert_array_equal(outputs["y"], np.arange(COUNT) + weight())
    assert outputs["twice"] == [2, -4, 6, 4294966, 0]


@pytest.mark.parametrize("small", [(), ("reverse",), ("add", "double"), tuple(SHADERS)])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_are_right_with_any_number_of_threads(
    threads: int, small: tuple[str, ...], tmp_path: Path
) -> None:
    folder = Tiny(turns=40, small=small).write(tmp_path / "bundle")
    told = in_node(f"""
        const model = await load("{folder}", {{ threads: {threads} }});
        const results = [];
        for (let i = 0; i < 20; i++) results.push(await model.run(right()));
        return {{ results, threads: model.threads, notes: model.notes }};""")
    assert told["threads"] == threads and told["notes"] == []
    for result in told["results"]:
        check(result)


def test_every_thread_has_a_stack_of_its_own(tiny: Path) -> None:
    told = in_node(f"""
        const model = await load("{tiny}", {{ threads: {IDS} }});
        return (await model.run(right())).stacks;""")
    assert len(set(told)) == IDS and min(told) == STATIC_END
    assert all(pointer % 16 == 0 for pointer in told)


def test_a_bundle_loads_from_a_path_and_from_a_file_url(tiny: Path) -> None:
    for place in (f"{tiny}", f"{tiny}/", tiny.as_uri()):
        check(in_node(f'return (await load("{place}")).run(right());'))
    check(in_node(f'return (await load(new URL("{tiny.as_uri()}/"))).run(right());'))


def test_the_model_says_what_it_is(tiny: Path) -> None:
    told = in_node(f"""
        const model = await load("{tiny}");
        const before = {{ ...model.timings }};
        await model.run(right());
        const {{ name, inputs, outputs, target, device, threads, notes, timings }} = model;
        return {{ name, inputs, outputs, target, device, threads, notes, before, timings }};""")
    assert told["inputs"] == [
        {"name": "x", "dtype": "float32", "shape": [2, COUNT // 2]},
        {"name": "ids", "dtype": "int64", "shape": [1, IDS]},
    ]
    assert [each["name"] for each in told["outputs"]] == ["y", "twice", "stacks"]
    assert (told["name"], told["target"], told["threads"]) == ("tiny", "wasm", 1)
    assert told["device"].startswith("Node v")
    assert told["before"]["first_run_ms"] is None
    assert all(value > 0 for value in told["timings"].values())


# Inputs that are wrong, and what of the message tells how to mend them.
WRONG = {
    "{ ...right(), nothing: [1] }": "has no input nothing; it has x, ids",
    "{ x: floats() }": "ids is missing: int64 [1, 5], 5 elements",
    "{ ...right(), ids: null }": "ids is missing: int64 [1, 5]",
    "undefined": "x is missing: float32 [2, 256], 512 elements",
    "{ ...right(), x: new Float32Array(3) }": "x has 3 elements, and must be float32 [2, 256]",
    "{ ...right(), x: new BigInt64Array(COUNT) }": "x must be float32 [2, 256]",
    "{ ...right(), x: new Int32Array(COUNT) }": "x must be float32 [2, 256]",
    "{ ...right(), x: Array(COUNT).fill('1') }": "x holds 1, which is no number",
    "{ ...right(), x: Array(COUNT).fill(1n) }": "x holds 1, which is no number",
    "{ ...right(), x: 'x'.repeat(COUNT) }": "x must be float32 [2, 256]",
    "{ ...right(), ids: new Float32Array(IDS) }": "ids must be int64 [1, 5]",
    "{ ...right(), ids: 5 }": "ids must be int64 [1, 5]",
    "{ ...right(), ids: [1, 2, 3, 4, 1.5] }": "ids holds 1.5, which is no 32-bit integer",
    "{ ...right(), ids: [1, 2, 3, 4, null] }": "ids holds null, which is no 32-bit integer",
    "{ ...right(), ids: [1, 2, 3, 4, '5'] }": "ids holds 5, which is no 32-bit integer",
    "{ ...right(), ids: [1, 2, 3, 4, 2 ** 31] }": "ids holds 2147483648, which is no 32-bit",
    "{ ...right(), ids: BigInt64Array.of(0n, 0n, 0n, 0n, -(2n ** 31n) - 1n) }": "-2147483649",
}


def test_wrong_inputs_are_told_as_rejections_and_leave_the_model_usable(tiny: Path) -> None:
    cases = ", ".join(f"() => ({each})" for each in WRONG)
    told = in_node(f"""
        const model = await load("{tiny}");
        const messages = [];
        for (const wrong of [{cases}]) {{
          const pending = model.run(wrong()); // a rejection, and nothing thrown before it
          messages.push(await words(() => pending));
        }}
        return {{ messages, after: await model.run(right()) }};""")
    for message, wanted in zip(told["messages"], WRONG.values(), strict=True):
        assert message.startswith("Error: ") and wanted in message
    check(told["after"])


def test_integers_may_come_as_bigints_numbers_or_an_int32_array(tiny: Path) -> None:
    told = in_node(f"""
        const model = await load("{tiny}"), given = ids(), results = [];
        const narrow = [...given].map(Number);
        for (const each of [given, [...given], narrow, Int32Array.from(narrow)])
          results.push(await model.run({{ x: [...floats()], ids: each }}));
        const edges = [-1073741824n, 1073741823n, 0n, 0n, 0n];
        const {{ twice }} = await model.run({{ x: floats(), ids: edges }});
        return {{ results, edges: twice, type: twice.constructor.name }};""")
    for result in told["results"]:
        check(result)
    assert told["type"] == "BigInt64Array"
    assert told["edges"] == [-(2**31), 2**31 - 2, 0, 0, 0]


def test_runs_that_overlap_take_turns_and_keep_the_inputs_they_were_given(tiny: Path) -> None:
    told = in_node(f"""
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
    assert told[5] is None
    for result in told[:5] + told[6:]:
        check(result)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_kernel_that_traps_fails_its_run_alone(threads: int, tiny: Path) -> None:
    """Whichever thread it happens in."""
    told = in_node(f"""
        const model = await load("{tiny}", {{ threads: {threads} }});
        const messages = [], results = [await model.run(right())];
        for (let i = 0; i < IDS; i++) {{
          const poisoned = ids();
          poisoned[i] = {POISON}n;
          messages.push(await words(() => model.run({{ x: floats(), ids: poisoned }})));
          results.push(await model.run(right()));
        }}
        return {{ messages, results }};""")
    assert all("the kernel double failed" in message for message in told["messages"])
    for result in told["results"]:
        check(result)
        assert result["stacks"] == told["results"][0]["stacks"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_that_was_disposed_of_says_so(threads: int, tiny: Path) -> None:
    told = in_node(f"""
        const model = await load("{tiny}", {{ threads: {threads} }});
        await model.run(right());
        const queued = words(() => model.run(right()));
        model.dispose();
        model.dispose();
        return [await queued, await words(() => model.run(right())),
                await words(() => model.profile(right()))];""")
    assert all("Error: the model was disposed of" in message for message in told)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_profile_has_a_time_for_every_call(threads: int, tiny: Path) -> None:
    calls = in_node(f"""
        const model = await load("{tiny}", {{ threads: {threads} }});
        return model.profile(right());""")
    assert [call["kernel"] for call in calls] == ["add", "reverse", "reverse", "double", "stack"]
    for call in calls:
        assert call["task"] == call["name"] == call["kernel"] and call["kind"] == "elementwise"
        assert call["ms"] >= 0


def changed(folder: Path, name: str, target: Path) -> Path:
    shutil.copytree(folder, target)
    content = bytearray((target / name).read_bytes())
    content[-1] ^= 1
    (target / name).write_bytes(content)
    return target


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


def edit(folder: Path, target: Path, change: Any) -> Path:
    shutil.copytree(folder, target)
    plan = json.loads((target / "plan.json").read_text())
    change(plan)
    (target / "plan.json").write_text(json.dumps(plan))
    return target


def test_what_is_no_bundle_for_this_place_is_refused_in_words(tiny: Path, tmp_path: Path) -> None:
    newer = edit(tiny, tmp_path / "newer", lambda plan: plan.update(format=2))
    gpu_only = edit(tiny, tmp_path / "gpu", lambda plan: plan["targets"].pop("wasm"))
    no_weight = edit(
        tiny, tmp_path / "weight",
        lambda plan: plan["targets"]["wasm"]["calls"][0]["args"][1].update(weight="other"),
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
        (newer, "{}", "is of format 2, this runtime knows 1"),
        (gpu_only, "{}", "there is no WebGPU here"),
        (gpu_only, '{ target: "wasm" }', "the bundle has no wasm; it has webgpu"),
        (tiny, '{ target: "webgpu" }', "there is no WebGPU here"),
        (tiny, "{ threads: 0 }", "threads must be a whole number from 1 up"),
        (tiny, '{ threads: "two" }', "threads must be a whole number from 1 up"),
        (no_weight, "{}", "the weight other is missing from weights.safetensors"),
        (outside, "{}", "../tiny.wasm is not of this bundle"),
        (page, "{}", "plan.json is no plan"),
        (tmp_path / "nowhere", "{}", "plan.json can't be read"),
    ]
    loads = ", ".join(f'() => load("{folder}", {options})' for folder, options, _ in cases)
    told = in_node(f"return Promise.all([{loads}].map(words));")
    for message, (_, _, wanted) in zip(told, cases, strict=True):
        assert message.startswith("Error: ") and wanted in message


def test_where_threads_cannot_share_memory_one_does_it_and_the_model_says_so(
    tmp_path: Path,
) -> None:
    """A module whose memory can't be made shared: the flag's place is wrong."""
    folder = Tiny(memory_flag=len(wasm_module()) + 10).write(tmp_path / "bundle")
    told = in_node(f"""
        const model = await load("{folder}", {{ threads: 2 }});
        const {{ threads, notes }} = model;
        return {{ result: await model.run(right()), threads, notes }};""")
    check(told["result"])
    assert told["threads"] == 1
    assert len(told["notes"]) == 1 and told["notes"][0].startswith("one thread: ")


def test_progress_ends_with_every_byte_of_every_file(tiny: Path) -> None:
    told = in_node(f"""
        const seen = {{}};
        await load("{tiny}", {{ onProgress: (each) => (seen[each.file] = each) }});
        return seen;""")
    assert {"plan.json", "weights.safetensors", "kernels.relaxed.wasm"} <= told.keys()
    for name, each in told.items():
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
    told = in_node(f"""
        const {{ Worker }} = await import("node:worker_threads");
        const worker = new Worker("{program}", {{ execArgv: [] }});
        worker.postMessage(null);
        return new Promise((resolve, reject) => {{
          let told;
          worker.on("message", (value) => (told = value));
          worker.on("error", reject);
          worker.on("exit", () => resolve(told));
        }});""")
    check(told)


# --------------------------------------------------------------------------------- in a browser


def in_page(folder: Path, *scripts: str, path: str = "runtime.d.ts") -> list[Any]:
    """What each script gives, one after another, in one page of the folder's own server."""
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
    options = ['{ target: "wasm" }', '{ target: "wasm", threads: 3 }', '{ target: "webgpu" }']
    told = in_page(tiny, *(run % each for each in options))
    assert [(each["target"], each["threads"]) for each in told] == [
        ("wasm", 1), ("wasm", 3), ("webgpu", 1),
    ]  # fmt: skip
    for each in told:
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
    (told,) = in_page(
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
    assert all("the kernel double failed" in message for message in told["messages"])
    check(told["after"])


def test_runs_that_overlap_take_turns_on_the_gpu(tiny: Path, browser: None) -> None:
    (told,) = in_page(
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
    for result in told[:3] + told[4:]:
        check(result)


def test_a_lost_device_is_told_and_another_load_brings_the_model_back(
    tiny: Path, browser: None
) -> None:
    (told,) = in_page(
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
    for message in told["messages"]:
        assert message.startswith("Error: the GPU device was lost") and "oad the model" in message
    for name in ("before", "after", "third"):
        check(told[name])


BROKEN = "@group(0) @binding(0) var<storage, read> a: array<f32>; fn main( {"


@pytest.mark.parametrize(
    ("bundle_of", "wanted"),
    [
        (Tiny(limits={"maxBufferSize": 1 << 60}), "the model needs maxBufferSize"),
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
        part["calls"][0]["args"] = [{"slot": 0}, *[{"weight": "w"}] * 7, {"slot": 3}]

    folder = edit(tiny, tmp_path / "wide", widen)
    (told,) = in_page(
        folder,
        """
        const { limits } = await navigator.gpu.requestAdapter();
        if (limits.maxStorageBuffersPerShaderStage < 9) return null;
        return (await load("/", { target: "webgpu" })).run(right());""",
    )
    if told is None:
        pytest.skip("the adapter has no more than eight")
    check(told)


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
    (told,) = in_page(broken, script)
    assert told["target"] == "wasm"
    assert len(told["notes"]) == 1 and told["notes"][0].startswith("webgpu can't be used: ")


def test_progress_in_a_page_is_by_bytes(tiny: Path, browser: None) -> None:
    (told,) = in_page(
        tiny,
        """
        const last = {};
        await load("/", { target: "wasm", onProgress: (each) => (last[each.file] = each) });
        return last;""",
    )
    for name in ("plan.json", "weights.safetensors", "kernels.relaxed.wasm"):
        size = (tiny / name).stat().st_size
        assert told[name] == {"file": name, "loaded": size, "total": size}


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


def test_the_server_answers_hostile_requests_and_goes_on(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = {
        ("/plan.json", "localhost"): 200,
        ("/%00", "localhost"): 404,
        ("/plan.json%00", "localhost"): 404,
        ("//etc/passwd", "localhost"): 404,
        ("/..%2f..%2fetc/passwd", "localhost"): 404,
        ("/plan.json", "127.0.0.1.evil.example"): 403,
        ("/plan.json", "localhost.evil.example:80"): 403,
        ("/plan.json", ""): 403,
    }
    with serve(tiny) as address:
        for (path, host), status in cases.items():
            connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc)
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            assert answer.status == status, (path, host)
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            connection.close()
    assert capsys.readouterr().err == ""
