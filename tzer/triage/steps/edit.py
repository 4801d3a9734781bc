"""Edits: the smaller programs that a step of minimization proposes, made when they are asked for.

A step lists its edits of a case, coarse ones first; each makes one candidate. What an edit makes
need not be valid, nor show the finding: that is for the oracles to say. Runs in the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from harness import compat
from harness.case import Case, load_module
from harness.ir import rewrite
from harness.ir.script import full_script, parsed_back
from tzer.mutate.base import prim_funcs

Edit = Callable[[], Case | None]
ModuleEdit = Callable[[], Any]
CACHED_MODULES = 4
# A program that passes or primitives have made may be so much longer than before.
MOST_GROWTH = 2.0


@dataclass(frozen=True)
class ShrinkStep:
    """One kind of shrinking. `edits` lists what it proposes for a case.

    With `once` it is tried in two rounds at most, and leaves off at the first candidate that shows
    the finding, since that is not smaller in each respect.
    """

    name: str
    why: str
    edits: Callable[[Case], list[Edit]]
    once: bool = False


@lru_cache(CACHED_MODULES)
def module_of(text: str) -> Any:
    """The module of a case's text."""
    return load_module(text)


def of_module(edits: Callable[[Any], Iterator[ModuleEdit]]) -> Callable[[Case], list[Edit]]:
    """A step's edits of a case, from edits of its module."""

    def of_case(case: Case) -> list[Edit]:
        return [_remade(case, edit) for edit in edits(module_of(case.module))]

    return of_case


def of_function(edits: Callable[[Any], Iterator[ModuleEdit]]) -> Callable[[Case], list[Edit]]:
    """A step's edits of a case, from edits of one function of its module."""

    def of_functions(module: Any) -> Iterator[ModuleEdit]:
        for var, function in prim_funcs(module):
            for edit in edits(function):
                yield _within(module, var, edit)

    return of_module(of_functions)


def _remade(case: Case, edit: ModuleEdit) -> Edit:
    def made() -> Case | None:
        module = edit()
        return None if module is None else case.with_module(module)

    return made


def _within(module: Any, var: Any, edit: ModuleEdit) -> ModuleEdit:
    def made() -> Any:
        function = edit()
        return None if function is None else rewrite.with_function(module, var, function)

    return made


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of all of a list, of its halves, of its quarters, … and of each element.

    What to try to leave out, by Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
    Input" (2002), without its complements: the steps are repeated until nothing can be left out.
    """
    size = count
    while size:
        for start in range(0, count, size):
            yield start, min(start + size, count)
        if size == 1:
            return
        size = -(-size // 2)


def paths(function: Any) -> Iterator[tuple[rewrite.Path, Any]]:
    """Every statement and expression of a function with its path, parents before children."""
    waiting: list[tuple[rewrite.Path, Any]] = [((("body", None),), function.body)]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        below = [((*path, step), child) for step, child in rewrite.children(node)]
        waiting.extend(reversed(below))


def put(function: Any, path: rewrite.Path, new: Any) -> Any:
    """The function with another node at this path, its blocks' regions as they are then."""
    return rewrite.replace_at(function, path, new, rewrite.update_regions)


def replacing(function: Any, path: rewrite.Path, new: Any) -> ModuleEdit:
    """The edit that puts a node at this path."""
    return lambda: put(function, path, new)


def size_of(node: Any) -> int:
    """How many nodes there are below this one, and itself."""
    return sum(1 for _ in compat.nodes(node))


def without_calls(case: Case, field: str, start: int, stop: int) -> Edit:
    """The case without some of its passes, or of the primitives of its trace."""
    calls = getattr(case, field)
    changes: dict[str, Any] = {field: (*calls[:start], *calls[stop:])}
    return lambda: replace(case, **changes)


def is_readable(module: Any) -> bool:
    """Whether the module's TVMScript parses back to it, so that a reproducer can show it."""
    try:
        return compat.structural_equal(parsed_back(module), module)
    except Exception:  # the printer and the parser fail in many ways
        return False


def if_readable(case: Case, module: Any, **changes: Any) -> Case | None:
    """The case of the module, unless its text is much longer, or no longer TVMScript."""
    before = module_of(case.module)
    if is_readable(before) and not is_readable(module):
        module = parsed_back(module)  # perhaps what it parses to shows the finding as well
        if not is_readable(module):
            return None
    if len(full_script(module)) > MOST_GROWTH * len(full_script(before)):
        return None
    return replace(case.with_module(module), **changes)
