"""Three kernels that show a device's peaks: multiply-adds, memory, and the cost of a call.

What a perfect kernel would take follows from them, and so where the tuner's time is best spent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx

from harness.ir.loop_kinds import PARALLEL, UNROLLED, VECTORIZED
from jitweb.space import emit
from jitweb.space.candidate import Kernel
from jitweb.space.emit import LANES

CHAINS = 8  # enough independent sums to hide the latency of each
COPIED = 1 << 23  # float32: 32 MiB, more than caches hold
GROUP = 64  # a GPU's threads in a workgroup
WASM_WORK = (1, 20_000)  # rows, and rounds of each
GPU_WORK = (1 << 14, 64)

Spread = Callable[[int, Callable[[Any], Any]], Any]


@dataclass(frozen=True)
class Probe:
    """A kernel, its arguments (the last is written), and its float operations or bytes moved."""

    kernel: Kernel
    arguments: list[np.ndarray]
    amount: float


def wasm_probes() -> tuple[Probe, Probe, Probe]:
    """Multiply-adds, a copy, and as good as nothing, for WebAssembly."""
    return (
        _multiply_adds(_parallel, *WASM_WORK), _copy(_parallel, COPIED), _copy(_parallel, LANES)
    )  # fmt: skip


def gpu_probes() -> tuple[Probe, Probe, Probe]:
    """The same for a GPU."""
    return _multiply_adds(_threads, *GPU_WORK), _copy(_threads, COPIED), _copy(_threads, LANES)


def _parallel(count: int, body: Callable[[Any], Any]) -> Any:
    row = emit.index("row")
    return emit.loop(row, count, body(row), PARALLEL)


def _threads(count: int, body: Callable[[Any], Any]) -> Any:
    """A thread for each row; the last workgroup's threads beyond them do the last row again."""
    block, thread = emit.index("block"), emit.index("thread")
    row = tirx.min(block * GROUP + thread, emit.constant(count - 1))
    inner = emit.bound(thread, GROUP, "threadIdx.x", body(row))
    return emit.bound(block, -(-count // GROUP), "blockIdx.x", inner)


def _multiply_adds(spread: Spread, rows: int, rounds: int) -> Probe:
    factors = emit.buffer("factors", (LANES,), "float32")
    result = emit.buffer("result", (rows, LANES), "float32")
    sums = emit.local("sums", (CHAINS, LANES))

    def each(name: str, make: Any) -> Any:
        chain, lane = emit.index(f"chain_{name}"), emit.index(f"lane_{name}")
        inner = emit.loop(lane, LANES, make(chain, lane), VECTORIZED)
        return emit.loop(chain, CHAINS, inner, UNROLLED)

    def step(chain: Any, lane: Any) -> Any:
        factor = emit.load(factors, lane)
        return emit.store(sums, emit.load(sums, chain, lane) * factor + factor, chain, lane)

    def body(row: Any) -> Any:
        def keep(chain: Any, lane: Any) -> Any:
            total = emit.load(result, row, lane) + emit.load(sums, chain, lane)
            return emit.store(result, total, row, lane)

        zero = tirx.FloatImm("float32", 0.0)
        start = each("start", lambda chain, lane: emit.store(sums, zero, chain, lane))
        run = emit.loop(emit.index("round"), rounds, each("step", step))
        return emit.with_locals([sums], emit.sequence([start, run, each("end", keep)]))

    made = emit.function([factors, result], spread(rows, body))
    arguments = [np.full(LANES, 0.5, np.float32), np.zeros((rows, LANES), np.float32)]
    return Probe(Kernel(made), arguments, 2.0 * CHAINS * LANES * rounds * rows)


def _copy(spread: Spread, elements: int) -> Probe:
    source = emit.buffer("source", (elements,), "float32")
    target = emit.buffer("target", (elements,), "float32")

    def body(row: Any) -> Any:
        lane = emit.index("lane")
        place = row * LANES + lane
        return emit.loop(
            lane, LANES, emit.store(target, emit.load(source, place), place), VECTORIZED
        )

    made = emit.function([source, target], spread(elements // LANES, body))
    arguments = [np.ones(elements, np.float32), np.zeros(elements, np.float32)]
    return Probe(Kernel(made), arguments, 8.0 * elements)
