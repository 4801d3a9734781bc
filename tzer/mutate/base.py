"""The base classes of mutators: of a module, of a function, of one expression or statement.

A mutator takes a module and returns another that is again well formed and well typed, and usually
valid; or None if it finds nothing to change. Modules are never changed in place.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any, ClassVar

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir import rewrite
from harness.ir.intervals import base_dtype, interval, is_float, is_integer, lanes_of, limits
from harness.ir.sites import Scope, Site, sites
from seeds.values import RangedExpr, clamped, constant

FREE_ROLES = frozenset({"value", "condition"})
ATTEMPTS = 6
# How often what the program seems to need is changed all the same.
NEEDED_SHARE = 0.05
CACHE_SIZE = 8


class Mutator:
    """Base of all mutators of programs.

    `general` marks those that are not specific to tensor programs (they change expressions and
    statements); `preserves_semantics` those that don't change the result of the program.
    """

    name: ClassVar[str]
    general: ClassVar[bool] = False
    preserves_semantics: ClassVar[bool] = False

    def can_mutate(self, module: Any) -> bool:
        """Whether the module has anything that this mutator could change."""
        raise NotImplementedError

    def mutate(self, module: Any, rng: random.Random) -> Any | None:
        """Another module, or None; deterministic in the state of `rng`."""
        raise NotImplementedError


class FunctionMutator(Mutator):
    """A mutator of one PrimFunc of the module."""

    def can_mutate(self, module: Any) -> bool:
        return any(self.can_change(function) for _, function in prim_funcs(module))

    def mutate(self, module: Any, rng: random.Random) -> Any | None:
        usable = [
            (var, function) for var, function in prim_funcs(module) if self.can_change(function)
        ]
        if not usable:
            return None
        var, function = rng.choice(usable)
        changed = self.change_function(function, rng)
        if changed is None or tvm_ffi.structural_equal(changed, function):
            return None
        return rewrite.with_function(module, var, changed)

    def can_change(self, function: Any) -> bool:
        """Whether the function has anything that this mutator could change."""
        raise NotImplementedError

    def change_function(self, function: Any, rng: random.Random) -> Any | None:
        """Another function with the same name, or None."""
        raise NotImplementedError


class SiteMutator(FunctionMutator):
    """A mutator of one expression or statement, in its place."""

    def picks(self, site: Site) -> bool:
        """Whether this mutator may change the node at the site."""
        raise NotImplementedError

    def change(self, site: Site, function: Any, rng: random.Random) -> Any | None:
        """The replacement of the node at the site, or None."""
        raise NotImplementedError

    def can_change(self, function: Any) -> bool:
        return any(self.picks(site) for site in sites_of(function))

    def change_function(self, function: Any, rng: random.Random) -> Any | None:
        usable = [site for site in sites_of(function) if self.picks(site)]
        for _ in range(min(ATTEMPTS, len(usable))):
            site = rng.choice(usable)
            new = self.change(site, function, rng)
            if new is None or tvm_ffi.structural_equal(new, site.node):
                continue
            if may_divide_by_zero(function, site, new):
                continue
            if rng.random() > NEEDED_SHARE and is_needed(function, site):
                continue
            return put(function, site, new)
        return None


def prim_funcs(module: Any) -> list[tuple[Any, Any]]:
    """The module's PrimFuncs with their GlobalVars, in order of name."""
    functions = [(v, f) for v, f in module.functions.items() if isinstance(f, tirx.PrimFunc)]
    return sorted(functions, key=lambda pair: str(pair[0].name_hint))


@lru_cache(CACHE_SIZE)
def sites_of(function: Any) -> list[Site]:
    """The function's sites, cached for further mutators of the same function."""
    return sites(function)


def is_plain(dtype: str) -> bool:
    """Whether values of this dtype can be generated: numbers and bools, also in vectors."""
    if lanes_of(dtype) == 0:
        return False
    return is_integer(dtype) or base_dtype(dtype) == "bool" or is_float_known(dtype)


def is_float_known(dtype: str) -> bool:
    """Whether every target supports this float dtype."""
    return base_dtype(dtype) in ("float16", "float32", "float64", "bfloat16")


def is_free(site: Site) -> bool:
    """Whether the site is an expression whose value may change."""
    if (
        site.role not in FREE_ROLES
        or site.key in ("StringImm", "SBlock")
        or not is_plain(site.dtype)
    ):
        return False
    guard = site.guard
    if guard is None:
        return True
    return guard.extent is not None and not guard.owned


def existing(site: Site) -> RangedExpr:
    """The expression at the site with its interval."""
    found = interval(site.node, site.scope)
    bound = None
    if is_float(site.dtype) and site.key == "BufferLoad":
        memory = site.scope.memory_of(compat.load_buffer(site.node))
        bound = 4.0 if memory is not None and memory.finite else None
    return RangedExpr(site.node, site.dtype, found, bound)


def fitted(site: Site, value: RangedExpr, function: Any, rng: random.Random) -> Any | None:
    """The value's expression, clamped to the interval that the surrounding code supports.

    None if a float could be out of range of an enclosing conversion to an integer.
    """
    if base_dtype(site.dtype) == "bool":
        return value.expr
    if is_float(site.dtype):
        safe = value.bound is not None and value.bound < 1e4
        return value.expr if safe or not _is_converted(function, site) else None
    if rng.random() < 0.05 and site.guard is None:
        return value.expr
    low, high = existing(site).range
    least, most = limits(site.dtype)
    low, high = max(min(low, 0), -128, least), min(max(high, 1), 127, most)
    return clamped(value, (low, high)).expr


def _is_converted(function: Any, site: Site) -> bool:
    node = function
    for step in site.path:
        key = compat.type_key(node)
        if key in ("Cast", "BufferStore", "Call") and step[0] in ("value", "indices", "args"):
            to_integer = key == "Cast" and not is_float(compat.dtype_of(node))
            if to_integer or (key == "BufferStore" and step[0] == "indices"):
                return True
        node = rewrite.child(node, step)
    return False


DIVISIONS = frozenset({"Div", "Mod", "FloorDiv", "FloorMod"})


def may_divide_by_zero(function: Any, site: Site, new: Any) -> bool:
    """Whether `new` at the site could make an enclosing integer divisor zero."""
    node = function
    for depth, step in enumerate(site.path):
        below = rewrite.child(node, step)
        divides = step == ("b", None) and compat.type_key(node) in DIVISIONS
        if divides and is_integer(compat.dtype_of(node)):
            rest = site.path[depth + 1 :]
            divisor = rewrite.replace_at(below, rest, new) if rest else new
            low, high = interval(divisor, site.scope) or (0, 0)
            if low <= 0 <= high:
                return True
        node = below
    return False


def is_needed(function: Any, site: Site) -> bool:
    """Whether the program may have no meaning if the value at the site is another.

    It is part of an assertion, of a condition without which an access could be out of bounds or
    local memory stay unwritten, or of the index by which local memory is written.
    """
    node, params = function, set(function.params)
    for depth, step in enumerate(site.path):
        key = compat.type_key(node)
        if key == "AssertStmt" and step[0] == "condition":
            return True
        if key == "BufferStore" and step[0] == "indices" and node.buffer not in params:
            return True
        branches = key in ("IfThenElse", "Select") and step[0] == "condition"
        lazily = key == "Call" and step == ("args", 0) and compat.call_name(node) == "if_then_else"
        if (branches or lazily) and not _needs_no_guard(node, site.scope, params):
            return True
        if depth + 1 < len(site.path):
            node = rewrite.child(node, step)
    return False


def _needs_no_guard(node: Any, scope: Scope, params: set[Any]) -> bool:
    """Whether the accesses below are within their buffers and write no local memory."""
    for access in compat.nodes(node):
        key = compat.type_key(access)
        if key not in ("BufferLoad", "BufferStore"):
            continue
        buffer = access.buffer if key == "BufferStore" else compat.load_buffer(access)
        shape = compat.static_shape(buffer)
        if shape is None or (key == "BufferStore" and buffer not in params):
            return False
        for index, extent in zip(access.indices, shape, strict=False):
            found = interval(index, scope)
            if found is None or found[0] < 0 or found[1] >= extent:
                return False
    return True


def feeds_others(site: Site, function: Any) -> bool:
    """Whether the statement writes to memory that is not filled before the function is called."""
    params = set(function.params)
    return any(
        compat.type_key(node) == "BufferStore" and node.buffer not in params
        for node in compat.nodes(site.node)
    )


def put(function: Any, site: Site, new: Any) -> Any:
    """The function with `new` at the site, and with an enclosing index kept in bounds."""
    guard = site.guard
    if guard is not None and guard.extent is not None:
        index = rewrite.at(function, guard.path)
        rest = site.path[len(guard.path) :]
        index = rewrite.replace_at(index, rest, new) if rest else new
        new, path = in_bounds(index, guard.extent, guard.scope), guard.path
    else:
        path = site.path
    return rewrite.replace_at(function, path, new, rewrite.update_regions)


def in_bounds(index: Any, extent: int, scope: Any) -> Any:
    """The index, wrapped around if it could be outside of [0, extent)."""
    found = interval(index, scope)
    dtype = compat.dtype_of(index)
    if compat.type_key(index) == "Ramp" and isinstance(index.stride, compat.IntImm):
        reach = (int(index.lanes) - 1) * int(index.stride)
        if 0 <= reach < extent:
            base = in_bounds(index.base, extent - reach, scope)
            return tirx.Ramp(base, index.stride, index.lanes)
    if found is not None and 0 <= found[0] and found[1] < extent:
        return index
    return tirx.FloorMod(index, constant(dtype, extent).expr)
