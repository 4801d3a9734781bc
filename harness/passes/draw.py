"""Drawing pass sequences: legal ones for a module's states, and entirely random ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.case import PassCall
from harness.passes import context
from harness.passes.catalogue import CATALOGUE
from harness.passes.graph import OPTIONAL, after, legal_passes, moving_passes
from harness.passes.legality import repair, states_after
from harness.passes.orders import default_order
from harness.passes.pass_info import PassInfo, States

_DRAWABLE = tuple(info for info in CATALOGUE.values() if info.name != "tirx.BindTarget")
# Passes for devices, which are useless for a CPU program: drawn rarely.
_FOR_DEVICES = frozenset(
    {
        "s_tir.InferFragment",
        "s_tir.InjectPTXAsyncCopy",
        "s_tir.InjectPTXLDG32",
        "s_tir.InjectPermutedLayout",
        "s_tir.LiftThreadBinding",
        "s_tir.LowerAsyncDMA",
        "s_tir.LowerAutoCopy",
        "s_tir.LowerCrossThreadReduction",
        "s_tir.LowerVtcmAlloc",
        "s_tir.ManifestSharedMemoryLocalStage",
        "s_tir.MergeSharedMemoryAllocations",
        "s_tir.ThreadSync",
        "s_tir.TransformMmaBufferLayout",
        "s_tir.UnifyThreadBinding",
        "s_tir.VerifyVTCMLimit",
        "tirx.VerifyMemory",
    }
)
# In a random sequence, of what is never legal or only at the end of a lowering.
_REQUIRED_WEIGHT = 0.15
# There is one call for the many keys of the PassContext.
_WEIGHTS = {context.SET: 3.0, **dict.fromkeys(_FOR_DEVICES, 0.1)}
_RANDOM_WEIGHTS = [
    _WEIGHTS.get(info.name, 1.0 if info.optional else _REQUIRED_WEIGHT) for info in _DRAWABLE
]
_CONFIG_SHARE = 0.5  # of the passes that take a configuration


def draw_call(rng: random.Random, info: PassInfo) -> PassCall:
    """A call of the pass with random arguments; trailing optional ones may be omitted."""
    args = [argument.draw(rng) for argument in info.args]
    while args and not info.args[len(args) - 1].required and rng.random() < 1 - _CONFIG_SHARE:
        args.pop()
    return PassCall(info.name, tuple(args))


def draw_random(rng: random.Random, length: int) -> tuple[PassCall, ...]:
    """A sequence of `length` random passes of the catalogue, mostly illegal.

    Passes that nearly always refuse what they were not meant for are drawn rarely: all that would
    follow stays untested.
    """
    drawn = rng.choices(_DRAWABLE, _RANDOM_WEIGHTS, k=length)
    return tuple(draw_call(rng, info) for info in drawn)


def spoil(calls: Sequence[PassCall], rng: random.Random) -> tuple[PassCall, ...]:
    """The calls with one or two random passes in between, so that they are most often illegal.

    Of 70 random sequences on generated programs a pass refused 29, and nothing after it was tested;
    of as many legal ones that were spoilt it refused 7.
    """
    spoilt = list(calls)
    for _ in range(rng.randint(1, 2)):
        spoilt.insert(rng.randint(0, len(spoilt)), draw_random(rng, 1)[0])
    return tuple(spoilt)


def draw_legal(states: States, rng: random.Random, length: int) -> tuple[PassCall, ...]:
    """A legal sequence of about `length` drawn passes, for a module with these states.

    One of: a random walk through the passes that are legal at each step; random passes with the
    required passes inserted that make them legal; a part of TVM's default order with random
    changes. The second and third can be longer than `length`, because of the required passes.
    """
    draw = rng.choices((_walk, _targets, _changed_default), (4, 4, 3))[0]
    return draw(states, rng, length)


def _weighted(rng: random.Random, among: Sequence[str]) -> PassInfo:
    weights = [_WEIGHTS.get(name, 1.0) for name in among]
    return CATALOGUE[rng.choices(among, weights)[0]]


def _walk(states: States, rng: random.Random, length: int) -> tuple[PassCall, ...]:
    calls: list[PassCall] = []
    for _ in range(length):
        legal = legal_passes(states)
        if not legal:
            break
        # A pass that changes the states makes others legal: prefer it half of the time.
        moving = moving_passes(states)
        info = _weighted(rng, moving if moving and rng.random() < 0.5 else legal)
        calls.append(draw_call(rng, info))
        states = after(info.name, states)
    return tuple(calls)


def _targets(states: States, rng: random.Random, length: int) -> tuple[PassCall, ...]:
    wanted = [draw_call(rng, _weighted(rng, OPTIONAL)) for _ in range(length)]
    return repair(states, wanted, rng)


def _changed_default(states: States, rng: random.Random, length: int) -> tuple[PassCall, ...]:
    order = [call for call in default_order("llvm")[1:] if CATALOGUE[call.name].optional]
    calls = order[: rng.randint(1, len(order))]
    for _ in range(rng.randint(1, max(1, length))):
        place = rng.randrange(len(calls))
        change = rng.random()
        if change < 0.4:
            legal = legal_passes(states_after(states, calls[:place]))
            calls.insert(place, draw_call(rng, _weighted(rng, legal or OPTIONAL)))
        elif change < 0.6:
            calls.insert(rng.randint(place, len(calls)), calls[place])
        elif change < 0.8:
            calls[place] = draw_call(rng, CATALOGUE[calls[place].name])
        elif len(calls) > 1:
            del calls[place]
    return repair(states, calls, rng)
