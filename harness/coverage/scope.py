"""Scopes: which source files of the compiler count, by names that people can type."""

from __future__ import annotations

from collections.abc import Iterable

from harness import UserError

# One folder of the analyzer under the two names that it has had: this table is read without TVM.
GROUPS: dict[str, tuple[str, ...]] = {
    "tirx": ("src/tirx/transform/", "src/tirx/analysis/", "src/tirx/ir/", "src/tirx/op/"),
    "s_tir": ("src/s_tir/transform/", "src/s_tir/analysis/"),
    "analyzer": ("src/sym/", "src/arith/"),
    "codegen": ("src/target/", "src/backend/"),
    "schedule": ("src/s_tir/schedule/",),
    "script": ("src/script/", "src/tirx/script/"),
    "ir": ("src/ir/",),
    "relax": ("src/relax/",),
    "all": ("src/",),
}
DEFAULT_GROUPS = ("tirx", "s_tir", "analyzer", "codegen")


def resolve_scope(names: Iterable[str]) -> tuple[str, ...]:
    """The path patterns of these groups; a name that begins with "src/" is a pattern itself.

    Raises:
        UserError: no group has this name; the message lists them.
    """
    patterns: list[str] = []
    for name in names:
        if name.startswith("src/"):
            patterns.append(name)
        elif name in GROUPS:
            patterns.extend(GROUPS[name])
        else:
            known = ", ".join(GROUPS)
            raise UserError(f"unknown scope {name!r}; the scopes are {known}, or a path src/…")
    return tuple(dict.fromkeys(patterns))


DEFAULT_SCOPE = resolve_scope(DEFAULT_GROUPS)
