"""Runs a bundle for the command line, with its runtime in Node or in a browser.

WebAssembly runs in Node or a headless browser, WebGPU in the latter; both are fed and measured
from here. The runtime is our own and not the bundle's, which may come from anybody: no code of it
runs outside of WebAssembly and WGSL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.devices.base import Closing, is_time
from harness.devices.channel import ProgramEnded
from harness.devices.message import (
    MOST_MESSAGE,
    NO_ARRAYS,
    TEXT_BYTES,
    BadAnswer,
    Expected,
    count_in,
    object_in,
    text_in,
    texts_in,
    time_in,
    times_in,
)
from harness.devices.remote import Responder
from harness.devices.table import device_kind
from jitweb.check_inputs import arranged, chosen, ignored, length_in
from jitweb.devices import device_of
from jitweb.errors import JitwebError
from jitweb.plan import nbytes, variants_of

WEB = Path(__file__).parent / "web"
LOAD_SECONDS = 120.0
RUN_SECONDS = 120.0
SAMPLES_BYTES = 4 << 20  # of JSON, for the 100,000 samples that host.mjs takes at most
CALL_BYTES = 32  # of JSON for the time of a call
TIMINGS = ("fetch_ms", "compile_ms", "first_run_ms")


@dataclass(frozen=True)
class Measured:
    """Milliseconds: of the first run, of warm ones, and the runtime's own `timings`."""

    first_run_ms: float
    samples: tuple[float, ...]
    timings: Mapping[str, float]


class BundleHost(Closing):
    """A bundle loaded by the runtime, in a program that answers requests.

    `device` describes the device; `notes` say which options could not be followed.
    """

    def __init__(
        self, program: Responder, plan: Mapping[str, Any], target: str, threads: int
    ) -> None:
        """Load it.

        Raises:
            JitwebError: it can't be loaded; the message is the runtime's.
            DeviceError: the program can't be started, or its answer is invalid.
        """
        self._program = program
        self.target = target
        self.variants = variants_of(plan)
        self._tasks = [
            [call["task"] for call in variant["calls"][target]] for variant in plan["variants"]
        ]
        try:
            request = {"do": "load", "target": target, "threads": threads}
            facts = self._ask(request, (), LOAD_SECONDS)[0]
            self.device, self.notes = text_in(facts, "device"), texts_in(facts, "notes")
            self.threads = count_in(facts, "threads", 1, threads)
            self.load_ms = time_in(facts, "load_ms")
        except BaseException:
            program.close()
            raise

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The model's outputs by name.

        Raises:
            JitwebError: an input is missing or has another dtype or shape, or the model failed.
        """
        number, arrays = self._in_order(inputs)
        variant = self.variants[number]
        outputs = variant.at(length_in(variant.inputs, inputs)).outputs
        expected = Expected(tuple(nbytes(each.dtype, each.shape) for each in outputs))
        request = {"do": "run", "variant": number}
        _, parts = self._ask(request, arrays, RUN_SECONDS, expected)
        return {
            output.name: np.frombuffer(part, output.dtype).reshape(output.shape)
            for output, part in zip(outputs, parts, strict=True)
        }

    def bench(self, inputs: Mapping[str, np.ndarray], seconds: float) -> Measured:
        """Milliseconds of the first run and of warm ones."""
        (number, arrays), patience = self._in_order(inputs), RUN_SECONDS + 10 * seconds
        request = {"do": "bench", "variant": number, "seconds": seconds}
        answer, _ = self._ask(request, arrays, patience, Expected((), SAMPLES_BYTES))
        timings = object_in(answer, "timings")
        return Measured(
            time_in(answer, "first_run_ms"),
            times_in(answer, "samples", 1000 * patience),
            {name: time_in(timings, name) for name in TIMINGS if timings.get(name) is not None},
        )

    def profile(self, inputs: Mapping[str, np.ndarray]) -> list[tuple[str, float | None]]:
        """The task of each call of a run, and its milliseconds; None if it couldn't be timed."""
        number, arrays = self._in_order(inputs)
        tasks = self._tasks[number]
        size = TEXT_BYTES + CALL_BYTES * len(tasks)
        request = {"do": "profile", "variant": number}
        answer, _ = self._ask(request, arrays, RUN_SECONDS, Expected((), size))
        times = answer.get("calls_ms")
        if not isinstance(times, list) or len(times) != len(tasks):
            raise BadAnswer("it does not have one time for each call")
        # A clock's step may be longer than a call takes.
        if not all(time is None or time == 0 or is_time(time) for time in times):
            raise BadAnswer("it holds what is not the time of a call")
        return list(zip(tasks, times, strict=True))

    def close(self) -> None:
        self._program.close()

    def _ask(
        self,
        request: dict[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        expected: Expected = NO_ARRAYS,
    ) -> tuple[dict[str, Any], list[bytes]]:
        try:
            answer, parts = self._program.ask(request, arrays, timeout_s, expected)
        except ProgramEnded as end:
            raise JitwebError(f"the model failed: {end}") from None
        if "error" in answer:
            raise JitwebError(" ".join(text_in(answer, "message", MOST_MESSAGE).split()))
        return answer, parts

    def _in_order(self, inputs: Mapping[str, np.ndarray]) -> tuple[int, list[np.ndarray]]:
        """The variant that inputs are for, by its number, and what it takes of them."""
        number = chosen(self.variants, inputs)
        others = ignored(self.variants, number)
        own = {name: array for name, array in inputs.items() if name not in others}
        variant = self.variants[number]
        fixed = variant.at(length_in(variant.inputs, own))
        return number, list(arranged(own, fixed.inputs).values())


def check_target(folder: Path, plan: Mapping[str, Any], target: str) -> None:
    """Raises: JitwebError, if the bundle lacks this target."""
    if target not in plan["targets"]:
        held = ", ".join(plan["targets"])
        raise JitwebError(f"{folder} holds {held} and no {target}; tune it for that")


def open_host(
    folder: Path, plan: Mapping[str, Any], target: str | None, threads: int, device: str = "auto"
) -> BundleHost:
    """A bundle loaded in Node or in a browser; `device` "auto" is the target's default device.

    Raises:
        JitwebError: the bundle lacks the target, the device can't run it, or loading fails.
        DeviceError: a required program is not installed.
    """
    chosen = target or next(iter(plan["targets"]))
    check_target(folder, plan, chosen)
    kind = device_kind(device_of(chosen, device))
    if not kind.hosts_modules:
        raise JitwebError(f"{kind.name} runs no JavaScript; name another --device")
    folders = {"web": WEB, "bundle": folder.resolve()}
    return BundleHost(kind.open_module("web/host.mjs", folders), plan, chosen, threads)
