"""Family "lowered": other seeds after passes of TVM, so that campaigns also start below blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tvm import IRModule

from harness import passes
from harness.passes.build import lower
from seeds.recipe import Recipe

FAMILY = "lowered"
LAST_PASS = "tirx.FlattenBuffer"
EVERY = 9


def recipes(others: Sequence[Recipe]) -> list[Recipe]:
    """Every ninth of these recipes, lowered to flat buffers and no blocks."""
    return [
        Recipe(f"{FAMILY}/{other.name.replace('/', '-')}", FAMILY, partial(build, other))
        for other in others[::EVERY]
    ]


def build(other: Recipe) -> IRModule:
    """The other seed's module after TVM's default order up to FlattenBuffer."""
    module = other.build()
    calls = [call for call in passes.default_order("llvm") if call.name != "tirx.BindTarget"]
    last = next(place for place, call in enumerate(calls) if call.name == LAST_PASS)
    return lower(module, calls[: last + 1])
