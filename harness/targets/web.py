"""The web targets of the fuzzer: compiled here, run on a device.

`wasm` is TVM's LLVM code generator for WebAssembly, run by V8 in Node. `webgpu` is TVM's WGSL code
generator, unmodified, with naga (the package wgpu); `webgpu-tint` is the same with Chromium.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from harness.devices.shader import Shader
from harness.devices.table import device_kind
from harness.ir import rewrite
from harness.targets import wasm, webgpu
from harness.targets.executable import NotExpressible, raised_by_tvm
from harness.targets.expressible import (
    WASM_SCALARS,
    WEBGPU_SCALARS,
    check_stack,
    refusal_of,
    refusal_of_gpu,
)
from harness.targets.invocations import as_kernel
from harness.targets.on_device import OnDevice
from harness.targets.table import TargetRow
from harness.wasm.linker import LinkError
from harness.wasm.object_file import ObjectFile

ENTRY = "kernel"


class Wasm:
    """WebAssembly without relaxed SIMD, so that no multiply-add is fused, in Node."""

    name = "wasm"
    device = "node"
    has_runtime = False
    runs = True
    is_strict = True

    def available(self) -> str | None:
        return device_kind(self.device).unavailable()

    def description(self) -> dict[str, object]:
        return wasm.WasmOptions(relaxed=False).description()

    def refusal(self, function: Any) -> str | None:
        return refusal_of(function, WASM_SCALARS)

    def prepare(self, module: Any) -> Any:
        return module

    def generate(self, lowered: Any) -> bytes:
        """The WebAssembly module."""
        return self._linked(lowered)[0]

    def _linked(self, lowered: Any) -> tuple[bytes, Any, int]:
        """The module, its function in TIR, and the number of its rows."""
        with raised_by_tvm():
            lowered = tirx.transform.SkipAssert()(lowered)
            function = tirx.transform.LowerIntrin()(lowered)["main"]
        check_stack(function)
        content, rows = self.object_of(function)
        try:
            return wasm.link_alone(content, wasm.C_MATHS), function, rows
        except LinkError as error:
            raise NotExpressible(str(error)) from None

    def object_of(self, function: Any) -> tuple[bytes | ObjectFile, int]:
        """The object of a lowered function, and the number of its rows."""
        plain, rows = wasm.plain_abi(function)
        return wasm.build_object({ENTRY: plain}, wasm.WasmOptions(relaxed=False)), rows

    def build(self, lowered: Any) -> OnDevice:
        module, function, rows = self._linked(lowered)
        buffers = range(len(function.params))
        return OnDevice(self.device, module, ENTRY, buffers, (0, rows))


class WebGPU:
    """WGSL as TVM generates it, on a WebGPU device."""

    has_runtime = False
    runs = True
    # WGSL lets implementations assume that there is no NaN and no infinity, and flush subnormals.
    is_strict = False

    def __init__(self, name: str, device: str) -> None:
        self.name = name
        self.device = device

    def available(self) -> str | None:
        return device_kind(self.device).unavailable()

    def description(self) -> dict[str, object]:
        return {"kind": "webgpu"}

    def refusal(self, function: Any) -> str | None:
        return refusal_of(function, WEBGPU_SCALARS) or refusal_of_gpu(function)

    def prepare(self, module: Any) -> Any:
        function = module["main"]
        body = as_kernel(function.body)
        return rewrite.with_function(
            module, module.get_global_var("main"), function.with_body(body)
        )

    def generate(self, lowered: Any) -> tuple[Shader, ...]:
        """The shaders of a module that has been lowered up to code generation."""
        with raised_by_tvm():
            lowered = tirx.transform.SkipAssert()(lowered)
        return webgpu.shaders_as_generated(lowered["main"])

    def build(self, lowered: Any) -> OnDevice:
        shaders = self.generate(lowered)
        writes = sorted({each.arguments[index] for each in shaders for index in each.writes})
        return OnDevice(self.device, shaders, ENTRY, writes)


DEVICES_OF_WEBGPU = {"webgpu": "wgpu", "webgpu-tint": "browser"}


def make(row: TargetRow) -> Wasm | WebGPU:
    """The target of a row of the table."""
    return Wasm() if row.name == Wasm.name else WebGPU(row.name, DEVICES_OF_WEBGPU[row.name])
