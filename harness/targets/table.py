"""The targets: one row each, by the name that `--target` and cases use. Loads no TVM.

A row says what is generated and where that runs. Code that can't run on this machine is compiled
and checked all the same: by LLVM, which verifies and emits it, by the compilers of the languages
where they are installed, and by rules of our own (`source_rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

HERE = "here"
NOWHERE = "nowhere: compiled alone"


@dataclass(frozen=True)
class TargetRow:
    """A target.

    `module` is the one of this package that makes it, `options` are TVM's beside the kind. `needs`
    are the flags of this machine's processor without which the code can't run here; `trickles` says
    whether a campaign tries it now and then where no targets are named.
    """

    name: str
    module: str
    code: str
    runs: str = HERE
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[str, ...] = ()
    trickles: bool = False


X86 = "x86_64-unknown-linux-gnu"
ARM = "aarch64-unknown-linux-gnu"
RISCV = "riscv64-unknown-linux-gnu"
VECTORS = ["+m", "+a", "+f", "+d", "+c", "+v"]
AVX512 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")

ROWS = (
    TargetRow("llvm", "llvm", "LLVM for this processor"),
    TargetRow("llvm-O0", "llvm", "the same, not optimised", options={"opt-level": 0}),
    TargetRow("llvm-O1", "llvm", "the same, hardly optimised", options={"opt-level": 1}),
    TargetRow("llvm-O3", "llvm", "the same, most optimised", options={"opt-level": 3}),
    TargetRow("llvm-native", "llvm", "LLVM with all of this processor", options={"mcpu": "native"}),
    TargetRow(
        "llvm-sse", "llvm", "LLVM for x86-64 without AVX", "here on x86-64",
        {"mtriple": X86, "mcpu": "x86-64"}, ("sse2",), trickles=True,
    ),
    TargetRow(
        "llvm-avx512", "llvm", "LLVM for AVX-512", "here on a processor that has it",
        {"mtriple": X86, "mcpu": "skylake-avx512"}, AVX512, trickles=True,
    ),
    TargetRow(
        "llvm-aarch64", "llvm", "LLVM for aarch64 with NEON", NOWHERE,
        {"mtriple": ARM, "mattr": ["+neon"]}, trickles=True,
    ),
    TargetRow(
        "llvm-sve", "llvm", "LLVM for aarch64 with SVE", NOWHERE,
        {"mtriple": ARM, "mattr": ["+sve"]}, trickles=True,
    ),
    TargetRow(
        "llvm-riscv64", "llvm", "LLVM for riscv64 with vectors", NOWHERE,
        {"mtriple": RISCV, "mcpu": "generic-rv64", "mattr": VECTORS}, trickles=True,
    ),
    TargetRow("c", "c", "C source, by gcc or clang"),
    TargetRow("wasm", "web", "LLVM for WebAssembly", "in Node"),
    TargetRow("wasm-direct", "wasm_direct", "WebAssembly by our own emitter", "in Node"),
    TargetRow(
        "webgpu", "web", "WGSL, taken by naga", "with the package wgpu, on a GPU or Mesa's lavapipe"
    ),
    TargetRow("webgpu-tint", "web", "WGSL, taken by tint", "in Chromium"),
    TargetRow(
        "cuda", "source", "CUDA source, checked by NVRTC", NOWHERE, {"arch": "sm_80"}, trickles=True
    ),
    TargetRow("opencl", "source", "OpenCL source, checked by clang", NOWHERE, trickles=True),
    TargetRow("metal", "source", "Metal source, checked by rules alone", NOWHERE, trickles=True),
    TargetRow(
        "rocm", "source", "LLVM for AMD's GPUs", NOWHERE, {"mcpu": "gfx906"}, trickles=True
    ),
)  # fmt: skip

BY_NAME: dict[str, TargetRow] = {row.name: row for row in ROWS}
NAMES: tuple[str, ...] = tuple(BY_NAME)
TRICKLE: tuple[str, ...] = tuple(row.name for row in ROWS if row.trickles)
"""What a campaign without `--target` tries beside llvm now and then."""
