"""A bundle at work for the command line: by the runtime, in Node or in a browser.

WebAssembly runs in Node or a headless browser, WebGPU in the latter; both are fed and measured
from here. The runtime is our own and not the bundle's, which may come from anybody: no code of it
runs outside of WebAssembly and WGSL.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.devices.base import Closing
from harness.devices.channel import ProgramEnded
from harness.devices.remote import Asked
from harness.devices.table import device_kind
from jitweb.devices import device_of
from jitweb.errors import JitwebError

WEB = Path(__file__).parent / "web"
LOAD_SECONDS = 120.0
RUN_SECONDS = 120.0


class BundleHost(Closing):
    """A bundle loaded by the runtime, in a program that answers requests."""

    def __init__(self, program: Asked, request: Mapping[str, Any]) -> None:
        """Load it; `request` says what and how.

        Raises:
            JitwebError: it can't be, in the runtime's own words.
            DeviceError: the program can't be started.
        """
        self._program = program
        try:
            self.facts = self._ask({"do": "load", **request}, {}, LOAD_SECONDS)[0]
        except BaseException:
            program.close()
            raise

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The model's outputs by name.

        Raises:
            JitwebError: an input is missing, or of another dtype or shape; or it failed.
        """
        _, parts = self._ask({"do": "run"}, inputs, RUN_SECONDS)
        return {
            output["name"]: np.frombuffer(part, output["dtype"]).reshape(output["shape"])
            for output, part in zip(self.facts["outputs"], parts, strict=True)
        }

    def bench(self, inputs: Mapping[str, np.ndarray], seconds: float) -> dict[str, Any]:
        """Milliseconds of the first run and of warm ones: `first_run_ms`, `samples`, `timings`."""
        return self._ask({"do": "bench", "seconds": seconds}, inputs, RUN_SECONDS + 10 * seconds)[0]

    def profile(self, inputs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Each call of a run: `task`, `kernel`, `kind`, `ms`."""
        calls: list[dict[str, Any]] = self._ask({"do": "profile"}, inputs, RUN_SECONDS)[0]["calls"]
        return calls

    def close(self) -> None:
        self._program.close()

    def _ask(
        self, request: dict[str, Any], inputs: Mapping[str, np.ndarray], timeout_s: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        arrays = [] if request["do"] == "load" else self._in_order(inputs)
        try:
            answer, parts = self._program.ask(request, arrays, timeout_s)
        except ProgramEnded as end:
            raise JitwebError(f"the model failed: {end}") from None
        if "error" in answer:
            raise JitwebError(" ".join(str(answer["message"]).split()))
        return answer, parts

    def _in_order(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        wanted = {each["name"]: each for each in self.facts["inputs"]}
        for name in inputs:
            if name not in wanted:
                raise JitwebError(f"the model has no input {name}; it has {', '.join(wanted)}")
        arrays = []
        for name, each in wanted.items():
            if name not in inputs:
                raise JitwebError(f"the input {name} is missing: {_describe(each)}")
            array = np.asarray(inputs[name])
            if array.shape != tuple(each["shape"]):
                shape = "x".join(map(str, array.shape))
                raise JitwebError(f"the input {name} is {shape}, and must be {_describe(each)}")
            if not np.can_cast(array.dtype, each["dtype"], "same_kind"):
                raise JitwebError(f"the input {name} is {array.dtype}, must be {_describe(each)}")
            arrays.append(array.astype(each["dtype"]))
        return arrays


def _describe(tensor: Mapping[str, Any]) -> str:
    return f"{tensor['dtype']} {'x'.join(map(str, tensor['shape']))}"


def open_host(
    folder: Path, plan: Mapping[str, Any], target: str | None, threads: int, device: str = "auto"
) -> BundleHost:
    """A bundle loaded in Node or in a browser: on `device` "auto", where its target usually runs.

    Raises:
        JitwebError: the bundle lacks the target, the device can't run it, or loading fails.
        DeviceError: what it needs to run is not installed.
    """
    names = list(plan["targets"])
    chosen = target or names[0]
    if chosen not in names:
        raise JitwebError(f"{folder} holds {', '.join(names)} and no {chosen}; tune it for that")
    request = {"target": chosen, "threads": threads}
    kind = device_kind(device_of(chosen, device))
    if not kind.hosts_modules:
        raise JitwebError(f"{kind.name} runs no JavaScript; name another --device")
    folders = {"web": WEB, "bundle": folder.resolve()}
    return BundleHost(kind.open_module("web/host.mjs", folders), request)
