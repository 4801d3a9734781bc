"""The kinds of loops, by TVM's numbers for them."""

from __future__ import annotations

from typing import Any

from tvm.tirx import ForKind

SERIAL = int(ForKind.SERIAL)
PARALLEL = int(ForKind.PARALLEL)
VECTORIZED = int(ForKind.VECTORIZED)
UNROLLED = int(ForKind.UNROLLED)
THREAD_BINDING = int(ForKind.THREAD_BINDING)
# Those whose iterations run at the same time, or in no fixed order.
CONCURRENT = frozenset({PARALLEL, VECTORIZED, THREAD_BINDING})


def is_concurrent_pipeline(loop: Any) -> bool:
    """Whether a loop is marked as a software pipeline, and its iterations run at once."""
    return int(loop.kind) in CONCURRENT and "software_pipeline_stage" in loop.annotations
