"""The list of all families of seeds."""

from __future__ import annotations

from seeds import (
    handwritten_arithmetic,
    handwritten_blocks,
    handwritten_control,
    handwritten_storage,
    handwritten_vectors,
    lowered,
    onnx_nodes,
    reductions,
    relax_operators,
    scheduled,
    topi_layers,
    topi_operators,
    transformer,
)
from seeds.recipe import Recipe

FILES = (
    topi_operators,
    topi_layers,
    relax_operators,
    onnx_nodes,
    transformer,
    scheduled,
    reductions,
    handwritten_arithmetic,
    handwritten_blocks,
    handwritten_control,
    handwritten_vectors,
    handwritten_storage,
)


def all_recipes() -> list[Recipe]:
    """Every recipe in a fixed order; those derived from others come last."""
    first = [recipe for file in FILES for recipe in file.recipes()]
    return [*first, *lowered.recipes(first)]
