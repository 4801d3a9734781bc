"""Constants: replace one by another, preferably one that compilers have rules for."""

from __future__ import annotations

import random
from typing import Any

from harness.ir.intervals import is_float, limits
from harness.ir.sites import Site
from seeds.values import RangedExpr, constant, draw_constant, scalar_constant
from tzer.mutate.base import SiteMutator, fitted, is_free


class ChangeConstant(SiteMutator):
    """Replace a constant by an adjacent one, its negation, or a limit of its dtype."""

    name = "change-constant"
    general = True

    def picks(self, site: Site) -> bool:
        return site.key in ("IntImm", "FloatImm") and is_free(site)

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        dtype, old = site.dtype, site.node.value
        if dtype == "bool":
            return scalar_constant(dtype, not old)
        if rng.random() < 0.5:
            nearby = [old + 1, old - 1, -old, old * 2, 0, 1]
            if not is_float(dtype):
                low, high = limits(dtype)
                nearby = [number for number in nearby if low <= number <= high]
            value = _constant(dtype, rng.choice(nearby))
        else:
            value = draw_constant(rng, dtype)
        return fitted(site, value, function, rng)


def _constant(dtype: str, number: Any) -> RangedExpr:
    return constant(dtype, max(min(number, 6e4), -6e4) if is_float(dtype) else number)
