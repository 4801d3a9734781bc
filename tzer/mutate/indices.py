"""Indices: what a load's index is made of."""

from __future__ import annotations

import random
from typing import Any

from harness import compat
from harness.ir import rewrite
from harness.ir.sites import Site
from seeds.index_rules import draw_index
from tzer.mutate.base import SiteMutator


class RewriteIndex(SiteMutator):
    """Replace the index of a load by another expression of the iterators around it."""

    name = "rewrite-index"

    def picks(self, site: Site) -> bool:
        guard = site.guard
        if guard is None or guard.path != site.path or guard.owned or guard.extent is None:
            return False
        return site.role == "value" and site.dtype in ("int32", "int64")

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        if compat.type_key(rewrite.at(function, site.path[:-1])) != "BufferLoad":
            return None
        assert site.guard is not None and site.guard.extent is not None
        return draw_index(rng, site.scope, site.guard.extent, site.dtype)
