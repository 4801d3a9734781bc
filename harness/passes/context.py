"""Entries of the PassContext: the keys that this TVM has, and the values to draw for each.

A sequence sets some by the call "context.Set", for all passes after it. The keys are those that TVM
itself lists, so that a new one is drawn at once. A field of a configuration, such as that of
"tirx.UnrollLoop", is written as "tirx.UnrollLoop/auto_max_step"; its values are those of the pass's
own argument in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness import compat
from harness.case import JSONScalar
from harness.passes.pass_info import ArgRange, PassInfo

SET = "context.Set"
Values = tuple[JSONScalar, ...]
Fields = tuple[tuple[str, Values], ...]

# By the type that TVM names.
BY_TYPE: dict[str, Values] = {"bool": (False, True), "int": (0, 1, 4, 64)}
# Where the values of the type would only make passes refuse, or take for ever.
BY_KEY: dict[str, Values] = {
    # VerifyVTCMLimit refuses programs that exceed it; 0 is no limit.
    "tirx.vtcm_capacity": (0, 1 << 20),
}
LEFT_OUT = {
    "tirx.RemoveNoOp": "its limit of simplification steps throws by design",
    "testing.": "TVM's own tests set it: passes may change in place what nobody else holds",
    "tirx.add_lower_pass": "its values are functions",
    "relax.": "only passes on Relax read it",
}


def left_out(key: str) -> str | None:
    """Why a key is not drawn, or None."""
    return next((why for begin, why in LEFT_OUT.items() if key.startswith(begin)), None)


def fields(rows: Iterable[PassInfo]) -> Fields:
    """All keys with their values; `rows` are the catalogue's, for fields of configurations."""
    keys = {key: type_ for key, type_ in compat.context_keys().items() if left_out(key) is None}
    found: dict[str, Values] = {}
    for key, type_ in keys.items():
        values = BY_KEY.get(key, BY_TYPE.get(type_))
        if values is not None:
            found[key] = values
    arguments = [argument for row in rows for argument in row.args if argument.config in keys]
    for argument in arguments:
        found |= {f"{argument.config}/{name}": values for name, values in argument.fields}
    return tuple(sorted(found.items()))


def row(rows: Iterable[PassInfo]) -> PassInfo:
    """The catalogue's row of the call that sets entries: it changes no module."""
    entries = ArgRange("entries", required=True, fields=fields(rows), context=True)
    why = "every pass may read it; what passes refuse by it is left out"
    return PassInfo(SET, frozenset(), args=(entries,), source=why)


def config(entries: dict[str, JSONScalar]) -> dict[str, Any]:
    """The entries as TVM takes them, fields of a configuration together."""
    nested: dict[str, Any] = {}
    for name, value in entries.items():
        key, _, field = name.partition("/")
        if field:
            nested.setdefault(key, {})[field] = value
        else:
            nested[key] = value
    return nested
