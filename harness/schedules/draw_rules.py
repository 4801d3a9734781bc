"""Draws what replaces loops by an intrinsic, or a whole function by another one."""

from __future__ import annotations

from harness import compat
from harness.schedules import dlight, meta_schedule
from harness.schedules.draw import Arguments, CannotDraw, Drawing, is_reduction
from harness.schedules.specialize import symbols

EXTENTS = (1, 2, 3, 5, 8, 17)  # of what is specialized


def tensorized(draw: Drawing) -> Arguments:
    """The inner loops around a block, and an intrinsic that may do what they do."""
    label = draw.block(lambda node: node.init is None)
    body = draw.node(label).body
    if compat.type_key(body) != "BufferStore":
        raise CannotDraw
    loops = draw.loops(label)
    rank = draw.choice(range(1, min(3, len(loops)) + 1))
    extents = [loop.extent for loop in loops[-rank:]]
    if not all(isinstance(extent, compat.IntImm) for extent in extents):
        raise CannotDraw
    written, value = str(body.buffer.ty.dtype), body.value
    if isinstance(value, compat.IntImm | compat.FloatImm):
        form, read = f"fill{rank}", written
    elif is_reduction(draw.node(label)):
        form = draw.choice({1: ("dot",), 2: ("gemv",), 3: ("mma", "mma_t")}[rank])
        read = str(draw.buffer(label, "read", len(draw.node(label).reads) - 1).ty.dtype)
    else:
        form, read = f"copy{rank}", str(draw.buffer(label, "read", 0).ty.dtype)
    shape = "x".join(str(int(extent)) for extent in extents)
    return (label, len(loops) - rank), f"{form}_{shape}_{read}_{written}"


def dlight_rule(draw: Drawing) -> Arguments:
    package = draw.choice(("gpu", "gpu", "gpu", "cpu", "adreno"))
    rule = draw.choice(dlight.RULES[package])
    name = rule if package == "gpu" else f"{package}.{rule}"
    return name, draw.choice(dlight.TARGETS[package])


def specialized(draw: Drawing) -> Arguments:
    function = draw.schedule.mod[draw.schedule.func_working_on.name_hint]
    return ((draw.choice(symbols(function)), draw.choice(EXTENTS)),)


def tuned(draw: Drawing) -> Arguments:
    """A target, the seed of what the rules sample, and the number of a program of the space."""
    return (
        draw.choice(tuple(meta_schedule.TARGETS)),
        draw.rng.randint(1, 1000),
        draw.rng.randrange(4),
    )
