"""Helpers for the rows of the catalogue: common needs, and short constructors."""

from __future__ import annotations

from collections.abc import Iterable

from harness import compat
from harness.passes.pass_info import ArgRange, PassInfo
from harness.passes.state import State as S

# Nothing comes before CanonicalizeLoop in the default pipeline: later passes may take loops to
# start at zero with step one. None but the last passes handles the packed calling convention.
HIGH_LEVEL = frozenset({S.CANONICAL_LOOPS, S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE})
STRUCTURED = HIGH_LEVEL | {S.STRUCTURED, S.UNIQUE_DEFINITIONS}
OPAQUE = STRUCTURED | {S.NO_INIT, S.OPAQUE_BLOCKS}
# AnnotateIrregularLoop comes before whatever copies or removes loops.
LOW_LEVEL = HIGH_LEVEL | {S.NO_BLOCKS, S.MARKED_JUMPS}
FLAT = LOW_LEVEL | {S.FLAT_BUFFERS}
# Before UnrollLoop in the default pipeline; unrolling repeats the definitions in a loop's body.
UNIQUE = FLAT | {S.UNIQUE_DEFINITIONS}
SCALAR = UNIQUE | {S.SCALAR_LOOPS}
SERIAL = FLAT | {S.NO_LIKELY, S.NO_VECTOR_LOOPS, S.NO_VIRTUAL_THREADS}
CODE = SERIAL | {S.NO_BF16_COMPUTE, S.NO_FP8_COMPUTE, S.SAFE_SELECTS}
ORDER = "order in default_s_tir_pipeline"
BOOLEANS = (False, True)


def config(key: str, **fields: tuple[bool | int, ...]) -> ArgRange:
    """The argument that is the pass's configuration, under `key`, with these fields."""
    return ArgRange("config", config=key, fields=tuple(fields.items()))


def never(name: str, why: str) -> PassInfo:
    """A pass that is never legal in a case, and why."""
    return PassInfo(name, frozenset({S.NEVER}), never=why, source=why, optional=False)


def row(
    name: str,
    needs: Iterable[S],
    source: str,
    *,
    gives: Iterable[S] = (),
    destroys: Iterable[S] = (),
    args: tuple[ArgRange, ...] = (),
    optional: bool = True,
) -> PassInfo:
    """A pass that is legal if a module has the states that it needs."""
    return PassInfo(
        name,
        frozenset(needs),
        frozenset(gives),
        frozenset(destroys),
        args,
        source=source,
        optional=optional,
    )


# What StmtSimplify and ConvertSSA of tirx take: with blocks, those of s_tir do where there are any.
SIMPLIFIABLE = HIGH_LEVEL if compat.TIRX_PASSES_TAKE_BLOCKS else LOW_LEVEL
SIMPLIFY = config(
    "tirx.StmtSimplify",
    transitively_prove_inequalities=BOOLEANS,
    convert_boolean_to_and_of_ors=BOOLEANS,
    apply_constraints_to_boolean_branches=BOOLEANS,
)
