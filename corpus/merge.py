"""Merge: entries of one store in another, with all that they and their campaign reached."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from corpus.distill import cover
from corpus.entries import identity
from corpus.errors import StoreError
from corpus.store import Store


def check_same_tvm(source: Store, target: Store) -> None:
    """Block ids are those of one build of TVM.

    Raises:
        StoreError: the two campaigns are of different ones.
    """
    left, right = (store.settings().get("tvm", "unknown") for store in (source, target))
    if left != right:
        raise StoreError(
            f"{source.folder} is of TVM {left}, {target.folder} of {right}; "
            f"export the one, and import it where its TVM is installed"
        )


def add_entries(target: Store, source: Store, ids: Collection[int] | None = None) -> int:
    """Add the source's entries (or those with these ids) that the target lacks; how many these are.

    The target also gets the source's coverage, and what is known of its seeds if it is new.
    """
    known = target.identities()
    before = len(known)
    with target.transaction():
        if not target.progress():
            target.record_progress(_seeds(source))
        target.add_coverage(*source.coverage())
        for entry in source.entries():
            if ids is not None and entry.id not in ids:
                continue
            case = source.case(entry.id)
            if (mark := identity(case)) not in known:
                known.add(mark)
                target.add_entry(case, entry.blocks, None, min(entry.born, 0))
    return len(known) - before


def distilled(source: Store) -> set[int]:
    """The ids of the entries that reach all that the source's entries reach; see `distill.py`.

    Entries that were imported and not run yet are among them.

    Raises:
        StoreError: it is not known what any of them reaches.
    """
    waiting = {entry.id for entry in source.entries() if not entry.judged}
    sizes = {each: size for each, size in source.entry_sizes().items() if each not in waiting}
    kept = cover(sizes, source.entry_blocks)
    if sizes and not kept:
        raise StoreError(
            f"of no entry in {source.folder} it is known which native blocks it reaches; "
            "run a campaign on it where tzer doctor says that native coverage works"
        )
    return waiting | set(kept)


def _seeds(source: Store) -> dict[str, Any]:
    """Which seeds the source's campaign has tested."""
    names = ("seeds_finished", "seeds_done")
    return {name: value for name, value in source.progress().items() if name in names}
