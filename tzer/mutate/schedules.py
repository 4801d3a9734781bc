"""Schedules: one primitive of `tvm.s_tir.Schedule` applied to a program with blocks.

A primitive either refuses or returns a program that computes the same, so a result that differs is
a bug of the primitive itself or of what lowers its result.
"""

from __future__ import annotations

import random
from typing import Any, ClassVar

import tvm_ffi
from tvm import s_tir

from harness import compat
from tzer.mutate.base import Mutator, prim_funcs, sites_of

ATTEMPTS = 4


class ScheduleMutator(Mutator):
    """Base: chooses a block or loop and applies the primitive, if TVM accepts it."""

    preserves_semantics: ClassVar[bool] = True

    def can_mutate(self, module: Any) -> bool:
        return any(_is_scheduled(function) for _, function in prim_funcs(module))

    def mutate(self, module: Any, rng: random.Random) -> Any | None:
        usable = [(v, f) for v, f in prim_funcs(module) if _is_scheduled(f)]
        if not usable:
            return None
        var, function = rng.choice(usable)
        for _ in range(ATTEMPTS):
            # A primitive that fails may leave the schedule half changed: each gets a new one.
            schedule = _schedule(module, str(var.name_hint), rng)
            try:
                self.apply(schedule, rng)
            except Exception:  # the primitive's own preconditions, of many kinds
                continue
            changed = schedule.mod
            if compat.why_ill_formed(changed) is not None:
                return None  # a bug of the primitive, for which no later pass is at fault
            if not tvm_ffi.structural_equal(changed[var.name_hint], function):
                return changed
        return None

    def apply(self, schedule: Any, rng: random.Random) -> None:
        """Apply the primitive once; raises TVM's exception if it doesn't apply."""
        raise NotImplementedError


def _schedule(module: Any, function: str, rng: random.Random) -> Any:
    """A schedule of the function whose errors have no rendering.

    A rendered refusal prints the program, and a program that TVM can't print then ends the process.
    """
    seed = rng.randrange(1, 1 << 30)
    schedule = s_tir.Schedule(module, seed=seed, debug_mask="none", error_render_level="none")
    schedule.work_on(function)
    return schedule


def _is_scheduled(function: Any) -> bool:
    """Whether the function's body is a root block that contains blocks."""
    if compat.type_key(function.body) != "SBlockRealize":
        return False
    return any(site.key == "SBlock" and site.node.iter_vars for site in sites_of(function))


def block_names(schedule: Any) -> list[str]:
    """The names of the blocks with iterators, in program order."""
    found: list[str] = []

    def note(node: Any) -> None:
        if compat.type_key(node) == "SBlock" and node.iter_vars:
            found.append(str(node.name_hint))

    compat.walk(schedule.mod[schedule.func_working_on.name_hint].body, note)
    return sorted(set(found), key=found.index)


def some_block(schedule: Any, rng: random.Random) -> Any:
    """A block of the function."""
    return schedule.get_sblock(rng.choice(block_names(schedule)))


def some_loops(schedule: Any, rng: random.Random) -> list[Any]:
    """The loops around a block, outermost first; at least one."""
    loops = list(schedule.get_loops(some_block(schedule, rng)))
    if not loops:
        raise ValueError("the block has no loops")
    return loops


class ScheduleSplit(ScheduleMutator):
    """split, by factors that need not divide the extent."""

    name = "schedule-split"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        loop = rng.choice(some_loops(schedule, rng))
        factors = rng.choice([[None, 2], [None, 3], [None, 4], [2, None], [None, 1], [None, 2, 2]])
        schedule.split(loop, factors=factors, preserve_unit_iters=rng.random() < 0.5)


class ScheduleFuse(ScheduleMutator):
    """fuse of neighbouring loops."""

    name = "schedule-fuse"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        loops = some_loops(schedule, rng)
        first = rng.randrange(max(1, len(loops) - 1))
        schedule.fuse(*loops[first : first + 2], preserve_unit_iters=rng.random() < 0.5)


class ScheduleReorder(ScheduleMutator):
    """reorder of all loops around a block."""

    name = "schedule-reorder"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        loops = some_loops(schedule, rng)
        rng.shuffle(loops)
        schedule.reorder(*loops)


class ScheduleLoopKind(ScheduleMutator):
    """parallel, vectorize or unroll."""

    name = "schedule-loop-kind"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        loop = rng.choice(some_loops(schedule, rng))
        rng.choice([schedule.parallel, schedule.vectorize, schedule.unroll])(loop)


class ScheduleInline(ScheduleMutator):
    """compute_inline or reverse_compute_inline."""

    name = "schedule-inline"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        block = some_block(schedule, rng)
        rng.choice([schedule.compute_inline, schedule.reverse_compute_inline])(block)


class ScheduleComputeAt(ScheduleMutator):
    """compute_at or reverse_compute_at."""

    name = "schedule-compute-at"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        block = some_block(schedule, rng)
        loop = rng.choice(some_loops(schedule, rng))
        move = rng.choice([schedule.compute_at, schedule.reverse_compute_at])
        move(block, loop, preserve_unit_loops=rng.random() < 0.5)


class ScheduleCache(ScheduleMutator):
    """cache_read or cache_write."""

    name = "schedule-cache"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        block = some_block(schedule, rng)
        node = schedule.get(block)
        reads = rng.random() < 0.5 and len(node.reads) > 0
        scope = rng.choice(["global", "local"])
        if reads:
            schedule.cache_read(block, rng.randrange(len(node.reads)), scope)
        else:
            schedule.cache_write(block, rng.randrange(len(node.writes)), scope)


class ScheduleReduction(ScheduleMutator):
    """decompose_reduction or rfactor."""

    name = "schedule-reduction"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        block = some_block(schedule, rng)
        loop = rng.choice(list(schedule.get_loops(block)))
        if rng.random() < 0.6:
            schedule.decompose_reduction(block, loop)
        else:
            schedule.rfactor(loop, factor_axis=0)


class ScheduleLayout(ScheduleMutator):
    """transform_layout of a buffer, or storage_align of one of its dimensions."""

    name = "schedule-layout"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        block = some_block(schedule, rng)
        if rng.random() < 0.4:
            schedule.storage_align(block, 0, axis=-2, factor=rng.choice([8, 16]), offset=1)
            return
        written = compat.region_buffer(schedule.get(block).writes[0])
        function = schedule.mod[schedule.func_working_on.name_hint]
        if any(param.same_as(written) for param in function.params):
            raise ValueError("the layout of a parameter belongs to the caller")
        rank = len(written.ty.shape)
        transforms: dict[int, Any] = {
            1: lambda i: [i // 2, i % 2],
            2: lambda i, j: [j, i],
            3: lambda i, j, k: [i, k, j],
            4: lambda i, j, k, m: [i, k, j, m],
        }
        schedule.transform_layout(block, ("write", 0), transforms[rank])


class ScheduleBlockize(ScheduleMutator):
    """blockize: the loops inside one become a block."""

    name = "schedule-blockize"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        schedule.blockize(rng.choice(some_loops(schedule, rng)))


class ScheduleMisc(ScheduleMutator):
    """add_unit_loop, pad_einsum, normalize and other rarely used primitives."""

    name = "schedule-misc"

    def apply(self, schedule: Any, rng: random.Random) -> None:
        block = some_block(schedule, rng)
        choice = rng.randrange(4)
        if choice == 0:
            schedule.add_unit_loop(block)
        elif choice == 1:
            schedule.loop_partition(rng.choice(list(schedule.get_loops(block))), [None, 2])
        elif choice == 2:
            schedule.set_scope(block, 0, rng.choice(["local", "global"]))
        else:
            schedule.reindex(block, ("write", 0))
