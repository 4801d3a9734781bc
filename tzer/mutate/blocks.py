"""Blocks: mutate bindings, predicates and annotations of blocks (domain-specific)."""

from __future__ import annotations

import random
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.intervals import interval
from harness.ir.sites import Site
from seeds.values import constant
from tzer.mutate.base import SiteMutator
from tzer.mutate.statements import leaves_unwritten

ANNOTATIONS: tuple[tuple[str, int], ...] = (
    ("auto_unroll_explicit_hint", 1), ("meta_schedule.random_compute_producer", 1),
    ("buffer_dim_align_hint", 2), ("tiling_hint", 4),
)  # fmt: skip


class ReverseBinding(SiteMutator):
    """Reverse a spatial iterator of a block."""

    name = "reverse-binding"

    def picks(self, site: Site) -> bool:
        return site.key == "SBlockRealize" and bool(self._reversible(site))

    def _reversible(self, site: Site) -> list[int]:
        found = []
        for index, (value, iter_var) in enumerate(
            zip(site.node.iter_values, site.node.block.iter_vars, strict=True)
        ):
            extent = iter_var.dom.extent
            known = interval(value, site.scope)
            # The first instance of a reduction runs the init, so its order must not change.
            if int(iter_var.iter_type) != tirx.IterVar.DataPar:
                continue
            if (
                isinstance(extent, tirx.IntImm)
                and known == (0, int(extent) - 1)
                and int(extent) > 1
            ):
                found.append(index)
        return found

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        index = rng.choice(self._reversible(site))
        values = list(site.node.iter_values)
        extent = int(site.node.block.iter_vars[index].dom.extent)
        last = constant(compat.dtype_of(values[index]), extent - 1).expr
        values[index] = tirx.Sub(last, values[index])
        return rewrite.with_fields(site.node, iter_values=values)


class AddPredicate(SiteMutator):
    """Add a predicate to a block that holds for all or for some of its instances."""

    name = "add-predicate"

    def picks(self, site: Site) -> bool:
        return site.key == "SBlockRealize" and bool(site.node.iter_values)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        node = site.node
        value = rng.choice(list(node.iter_values))
        known = interval(value, site.scope)
        if known is None:
            return None
        low, high = known
        whole = high <= low or rng.random() < 0.5 or leaves_unwritten(site, function, rng)
        top = high + 1 if whole else rng.randint(low + 1, high)
        holds: Any = tirx.LT(value, constant(compat.dtype_of(value), top).expr)
        if not isinstance(node.predicate, tirx.IntImm):
            holds = tirx.And(node.predicate, holds)
        return rewrite.with_fields(node, predicate=holds)


class AnnotateBlock(SiteMutator):
    """Add an annotation that doesn't change results."""

    name = "annotate-block"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        return site.key == "SBlock" and bool(site.node.iter_vars)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        key, value = rng.choice(ANNOTATIONS)
        annotations = {**dict(site.node.annotations.items()), key: constant("int32", value).expr}
        return rewrite.with_fields(site.node, annotations=annotations)


class WidenRegions(SiteMutator):
    """Declare whole buffers as regions of a block: more than it accesses, which is allowed."""

    name = "widen-regions"
    preserves_semantics = True

    def picks(self, site: Site) -> bool:
        return site.key == "SBlock" and bool(site.node.iter_vars) and bool(len(site.node.reads))

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        reads = list(site.node.reads)
        index = rng.randrange(len(reads))
        reads[index] = rewrite.full_region(compat.region_buffer(reads[index]))
        return rewrite.with_fields(site.node, reads=reads)
