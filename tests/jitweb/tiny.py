"""A bundle so small that its kernels are written by hand, for the tests of the runtime."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import jitweb

WEB = Path(jitweb.__file__).parent / "web"
COUNT = 512  # elements of the float input
IDS = 5
POISON = 13  # an element that makes the kernel `double` trap
STATIC_END = 1024

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

TUNING = {"seconds": 1.0, "kernels": {name: {"candidate": "c", "tried": 1} for name in KERNELS}}


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
    has_variants: bool = False  # see `variants`
    is_open: bool = False  # see `opened`

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
        }
        calls_for = {
            "wasm": [
                {"task": name, "kernel": name, "args": args, "rows": rows}
                for name, args, rows in calls
            ],
            "webgpu": [
                {"task": name, "kernel": name, "args": args}
                for name, args, _ in calls
                if name in shaders
            ],
        }
        parts: dict[str, dict[str, Any]] = {"wasm": wasm, "webgpu": webgpu}
        plan: dict[str, Any] = {
            "format": 2,
            "model": "tiny",
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
                    "sites": 1,
                }
                for name in KERNELS
            },
            "targets": {
                name: {**part, "tuning": TUNING}
                for name, part in parts.items()
                if name in self.targets
            },
            "variants": [
                {
                    "when": {},
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
                    "calls": {name: calls_for[name] for name in self.targets},
                }
            ],
        }
        if self.has_variants:
            plan["variants"] = variants(plan["variants"][0])
        if self.is_open:
            plan["variants"] = [opened(plan["variants"][0])]
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


def variants(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """Two variants: where `fast` is true `ids` are doubled alone, else also what `whole` does."""
    inputs, outputs = whole["inputs"], whole["outputs"]
    slow = {**whole, "when": {"fast": False}, "slots": [*whole["slots"], 4]}
    slow["inputs"] = [*inputs, tensor("fast", "bool", "int32", [1], 6)]
    calls = {
        name: [
            {**call, "args": [{"slot": 2}, {"slot": 1}]}
            for call in calls
            if call["kernel"] == "double"
        ]
        for name, calls in whole["calls"].items()
    }
    fast = {
        "when": {"fast": True},
        "inputs": [tensor("fast", "bool", "int32", [1], 0), {**inputs[1], "slot": 2}],
        "outputs": [{**outputs[1], "slot": 1}],
        "slots": [4, 4 * IDS, 4 * IDS],
        "calls": calls,
    }
    return [slow, fast]


def opened(whole: dict[str, Any]) -> dict[str, Any]:
    """As `whole`, but that there may be fewer ids than IDS."""
    length = [[1, 0, 1]]
    calls = {
        name: [
            {**call, "rows": length} if call["kernel"] == "double" and "rows" in call else call
            for call in calls
        ]
        for name, calls in whole["calls"].items()
    }
    ids, twice = whole["inputs"][1], whole["outputs"][1]
    return {
        **whole,
        "open": {"name": "N", "most": IDS},
        "inputs": [whole["inputs"][0], {**ids, "shape": [1, length]}],
        "outputs": [whole["outputs"][0], {**twice, "shape": [1, length]}, whole["outputs"][2]],
        "calls": calls,
    }


def weight() -> np.ndarray:
    return np.arange(COUNT, dtype=np.float32) / 2


def changed(folder: Path, name: str, target: Path) -> Path:
    shutil.copytree(folder, target)
    content = bytearray((target / name).read_bytes())
    content[-1] ^= 1
    (target / name).write_bytes(content)
    return target


def edit(folder: Path, target: Path, change: Any) -> Path:
    shutil.copytree(folder, target)
    plan = json.loads((target / "plan.json").read_text())
    change(plan)
    (target / "plan.json").write_text(json.dumps(plan))
    return target


# --------------------------------------------------------------------------------- its use

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


def check(outputs: Mapping[str, Any]) -> None:
    np.testing.assert_array_equal(outputs["y"], np.arange(COUNT) + weight())
    assert outputs["twice"] == [2, -4, 6, 4294966, 0]
