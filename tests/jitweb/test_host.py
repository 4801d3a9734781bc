"""What runs a bundle may answer anything: a bad answer is one line, and none of it is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.devices.base import DeviceError
from harness.devices.message import NO_ARRAYS, Expected, receive
from jitweb.bundle import read_plan
from jitweb.host import BundleHost
from tests.harness.liar import answered
from tests.jitweb.tiny import COUNT, IDS

TIMINGS = {"fetch_ms": 1.0, "compile_ms": 1.0, "first_run_ms": None}
OUTPUTS = [bytes(4 * COUNT), bytes(8 * IDS), bytes(4 * IDS)]
RIGHT: dict[str, Any] = {
    "load": {"device": "d", "notes": [], "threads": 1, "load_ms": 1.0},
    "run": {},
    "bench": {"first_run_ms": 1.0, "samples": [1.0], "timings": TIMINGS},
    "profile": {"calls_ms": [1.0, 0, None, 1.0, 1.0]},
}


class Program:
    """Answers as it is told to, by the same bytes as a program behind a pipe."""

    def __init__(self, what: str = "", lies: Any = None, outputs: Sequence[bytes] = ()) -> None:
        self._answers = {**RIGHT, what: lies}
        self._outputs = outputs or OUTPUTS

    def ask(
        self,
        request: Mapping[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        expected: Expected = NO_ARRAYS,
    ) -> tuple[dict[str, Any], list[bytes]]:
        sent = self._outputs if request["do"] == "run" else []
        content = memoryview(answered(1, self._answers[request["do"]], *sent))
        at = 0

        def read(count: int) -> bytes:
            nonlocal at
            at += count
            return bytes(content[at - count : at])

        return receive(read, 1, expected)

    def restart(self) -> None:
        pass

    def close(self) -> None:
        pass


def use(folder: Path, program: Program) -> None:
    inputs: dict[str, np.ndarray] = {
        "x": np.zeros((2, COUNT // 2), np.float32),
        "ids": np.zeros((1, IDS), np.int64),
    }
    with BundleHost(program, read_plan(folder), "wasm", 2) as host:
        assert host.run(inputs)["twice"].shape == (1, IDS)
        assert host.bench(inputs, 0.1).samples == (1.0,)
        assert [ms for _, ms in host.profile(inputs)] == [1.0, 0, None, 1.0, 1.0]


def test_right_answers_are_taken(tiny: Path) -> None:
    use(tiny, Program())


NONE_OF_THESE: list[Any] = [None, {}, -1, "x" * 5000]
LIES: dict[str, dict[str, list[Any]]] = {
    "load": {
        "device": NONE_OF_THESE,
        "notes": NONE_OF_THESE,
        "threads": [*NONE_OF_THESE, 0, 3],
        "load_ms": [*NONE_OF_THESE, 1e308],
    },
    "run": {"sizes": [[], [1 << 60] * 3], "error": [5]},
    "bench": {
        "samples": [None, [], [-1.0], [0], ["1"], [1e308], 1.0],
        "first_run_ms": [None, -1, "1", [1.0]],
        "timings": [None, [], {"fetch_ms": -1}],
    },
    "profile": {
        "calls_ms": [
            None, [1.0] * 4, [1.0] * 6, [[1.0]] * 5,
            *([*[1.0] * 4, value] for value in (-1, 1e308, "1", True)),
        ],
    },
}  # fmt: skip
CASES = [
    (what, {name: value})
    for what, lies in LIES.items()
    for name, values in lies.items()
    for value in values
]


@pytest.mark.parametrize(("what", "lies"), CASES, ids=lambda part: json.dumps(part)[:40])
def test_answers_that_can_not_be_are_refused(tiny: Path, what: str, lies: dict[str, Any]) -> None:
    with pytest.raises(DeviceError) as raised:
        use(tiny, Program(what, {**RIGHT[what], **lies}))
    assert "\n" not in str(raised.value) and "can't be used" in str(raised.value)


def test_outputs_of_another_size_are_refused(tiny: Path) -> None:
    for outputs in (OUTPUTS[:2], [*OUTPUTS, b"more"], [b"", *OUTPUTS[1:]]):
        with pytest.raises(DeviceError, match="its arrays must be of"):
            use(tiny, Program("run", {}, outputs))
