"""Three kernels that show a device's peaks: multiply-adds, memory, and the cost of a call.

What a perfect kernel would take follows from them, and so where the tuner's time is best spent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from jitweb.space import emit
from jitweb.space.candidate import Kernel

CHAINS, LANES = 8, 4  # enough independent sums to hide the latency of each
ROUNDS = 20_000
COPIED = 1 << 23  # float32: 32 MiB, more than caches hold


def multiply_adds() -> tuple[Kernel, list[np.ndarray], float]:
    """A kernel of nothing but multiply-adds, its arguments, and its operations."""
    factors = emit.buffer("factors", (LANES,), "float32")
    result = emit.buffer("result", (CHAINS, LANES), "float32")
    sums = emit.local("sums", (CHAINS, LANES))

    def each(name: str, make: Any) -> Any:
        chain, lane = emit.index(f"chain_{name}"), emit.index(f"lane_{name}")
        inner = emit.loop(lane, LANES, make(chain, lane), emit.VECTORIZED)
        return emit.loop(chain, CHAINS, inner, emit.UNROLLED)

    def step(chain: Any, lane: Any) -> Any:
        factor = emit.load(factors, lane)
        return emit.store(sums, emit.load(sums, chain, lane) * factor + factor, chain, lane)

    zero = tirx.FloatImm("float32", 0.0)
    body = emit.sequence(
        [
            each("start", lambda chain, lane: emit.store(sums, zero, chain, lane)),
            emit.loop(emit.index("round"), ROUNDS, each("step", step)),
            each("end", lambda chain, lane: emit.store(
                result, emit.load(sums, chain, lane), chain, lane
            )),
        ]
    )  # fmt: skip
    made = emit.function([factors, result], emit.with_locals([sums], body))
    arguments = [np.full(LANES, 0.5, np.float32), np.zeros((CHAINS, LANES), np.float32)]
    return Kernel(made), arguments, 2.0 * CHAINS * LANES * ROUNDS


def copy(elements: int = COPIED) -> tuple[Kernel, list[np.ndarray], float]:
    """A kernel that copies, its arguments, and the bytes it reads and writes."""
    source = emit.buffer("source", (elements,), "float32")
    target = emit.buffer("target", (elements,), "float32")
    row, lane = emit.index("row"), emit.index("lane")
    place = row * 16 + lane
    body = emit.loop(lane, 16, emit.store(target, emit.load(source, place), place), emit.VECTORIZED)
    made = emit.function([source, target], emit.loop(row, elements // 16, body, emit.PARALLEL))
    arguments = [np.ones(elements, np.float32), np.zeros(elements, np.float32)]
    return Kernel(made), arguments, 8.0 * elements


def nothing() -> tuple[Kernel, list[np.ndarray], float]:
    """A kernel that does as good as nothing."""
    kernel, arguments, _ = copy(16)
    return kernel, arguments, 0.0
