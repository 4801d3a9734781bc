"""The tuner's targets: which candidates a task has, and how one becomes code for a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.devices.base import Launch
from harness.targets import wasm
from harness.wasm.linker import link
from jitweb.space.candidate import Candidate, Kernel
from jitweb.space.wasm import wasm_candidates

ENTRY = "kernel"


@dataclass(frozen=True)
class Built:
    """A candidate compiled for a device: code to load, and what a launch of it needs."""

    kernel: Kernel
    code: Any
    entry: str
    scalars: tuple[int, ...]
    lowered: Any  # what the bundle is made from, without compiling again

    def launch(self, handle: int, arguments: Sequence[np.ndarray], writes: Sequence[int]) -> Launch:
        """The call with these arguments, weights packed as the kernel wants them."""
        packed = self.kernel.pack(list(arguments))
        return Launch(handle, self.entry, tuple(packed), tuple(writes), self.scalars)


class WebTarget(Protocol):
    """What the tuner asks of a target."""

    name: str

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        """The candidates for a PrimFunc, best guess first."""

    def build(self, kernel: Kernel) -> Built:
        """Compile one.

        Raises:
            Exception: whatever TVM raises.
        """


class WasmTarget:
    """WebAssembly with relaxed SIMD; the bundle has the kernels with plain SIMD as well."""

    name = "wasm"

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        return wasm_candidates(function, constants)

    def build(self, kernel: Kernel) -> Built:
        lowered, rows = wasm.lower(kernel.function)
        options = wasm.WasmOptions(opt_level=kernel.opt_level)
        module = link([wasm.build_object({ENTRY: lowered}, options)])
        return Built(kernel, module.content, ENTRY, (0, rows), lowered)


TARGETS: dict[str, type[WebTarget]] = {"wasm": WasmTarget}
