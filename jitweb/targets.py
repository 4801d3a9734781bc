"""The tuner's targets: the candidates of a task, and how to compile one for a device."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.devices.base import Device, Launch, is_software_adapter
from harness.targets import webgpu
from harness.targets.wasm import link_alone
from harness.targets.wasm_code import compile_kernel
from jitweb.errors import NotEquations
from jitweb.extent import at_length, shape_at
from jitweb.space.candidate import Candidate, Kernel
from jitweb.space.emit import lengths_of, rows_of
from jitweb.space.halves import FEATURE
from jitweb.space.microbenchmark import Probe, gpu_probes, wasm_probes
from jitweb.space.open_shader import Grid, with_length_buffer
from jitweb.space.wasm import wasm_candidates
from jitweb.space.webgpu import webgpu_candidates

ENTRY = "kernel"


@dataclass(frozen=True)
class Built:
    """A candidate compiled for a device: its code, and the data for launches."""

    kernel: Kernel
    code: Any
    entry: str
    scalars: tuple[int, ...]  # perhaps of an open length
    lowered: Any  # for the bundle, so that it isn't lowered again: a WasmCode, or shaders
    scratch: tuple[int, ...] = ()  # bytes of memory for itself: arguments after the task's own
    with_halves: Built | None = None  # the same for devices that have shader-f16
    lengths: tuple[int, ...] = ()  # that are in buffers of their own: arguments after all others
    grids: tuple[Grid, ...] = ()  # of each shader, where they depend on a length

    def launch(
        self,
        handle: int,
        arguments: Sequence[np.ndarray],
        writes: Sequence[int],
        length: int | None = None,
    ) -> Launch:
        """A call with these arguments, with weights packed in the kernel's layout.

        Where a length is open, they are of this one, None being the most.
        """
        packed = self.kernel.pack(list(arguments))
        # Not zero, so that a kernel that reads what it hasn't written is found wrong.
        scratch = [np.full(size, 0xFF, np.uint8) for size in self.scratch]
        scalars = shape_at(self.scalars, length)
        held = [np.array([at_length(each, length)], np.int32) for each in self.lengths]
        return Launch(handle, self.entry, (*packed, *scratch, *held), tuple(writes), scalars)


class WebTarget(Protocol):
    """The interface of a target."""

    name: str

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        """The candidates for a PrimFunc, best guess first."""

    def probes(self) -> tuple[Probe, Probe, Probe]:
        """Kernels that measure the device's peaks: multiply-adds, a copy, an empty kernel."""

    def build(self, kernel: Kernel) -> Built:
        """Compile a kernel.

        Raises:
            Exception: TVM failed; it may raise anything.
        """


class WasmTarget:
    """WebAssembly with relaxed SIMD; the bundle has the kernels with plain SIMD as well."""

    name = "wasm"

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        return wasm_candidates(function, constants)

    def probes(self) -> tuple[Probe, Probe, Probe]:
        return wasm_probes()

    def build(self, kernel: Kernel) -> Built:
        code, content = compile_kernel(
            ENTRY, kernel.function, direct=kernel.is_direct, opt_level=kernel.opt_level
        )
        rows = code.rows
        if not isinstance(rows, int):  # which lowering has rewritten
            rows = rows_of(kernel.function)
        scalars = (*lengths_of(kernel.function), 0, rows)
        return Built(kernel, link_alone(content), ENTRY, scalars, code, code.scratch)


class WebgpuTarget:
    """WebGPU; `limits` and `features` are the device's, by WebGPU's names.

    Without limits they are WebGPU's defaults. `is_software`: its adapter is the processor.
    """

    name = "webgpu"

    def __init__(
        self,
        limits: Mapping[str, int] | None = None,
        features: Collection[str] = (),
        *,
        is_software: bool = False,
    ) -> None:
        self.limits, self.features = dict(limits or {}), frozenset(features)
        self.is_software = is_software

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        return webgpu_candidates(
            function, constants, self.limits, self.features, is_software=self.is_software
        )

    def probes(self) -> tuple[Probe, Probe, Probe]:
        return gpu_probes()

    def build(self, kernel: Kernel) -> Built:
        storage = self.limits.get("maxComputeWorkgroupStorageSize", webgpu.MAX_WORKGROUP_STORAGE)
        function, grids = with_length_buffer(kernel.function)
        made = webgpu.build_shader(function, max_workgroup_storage=storage, keeps_sizes=bool(grids))
        shaders = made if isinstance(made, tuple) else (made,)
        if grids and [tuple(map(int, grid)) for grid in grids] != [each.grid for each in shaders]:
            raise NotEquations("its grids are not those of its shaders")
        lengths = tuple(lengths_of(kernel.function))
        return Built(kernel, shaders, ENTRY, (), shaders, lengths=lengths, grids=grids)


def open_target(name: str, device: Device | None) -> WebTarget:
    """The target of this name, for a device.

    Without one it offers what needs a feature, as that has a fallback.
    """
    if name == "wasm":
        return WasmTarget()
    if device is None:
        return WebgpuTarget({}, {FEATURE})
    is_software = is_software_adapter(device.fingerprint())
    return WebgpuTarget(device.limits(), device.features(), is_software=is_software)
