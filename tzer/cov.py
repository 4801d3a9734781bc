"""Coverage of a campaign as tables: by source file of the compiler, and by pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from harness import UserError

if TYPE_CHECKING:
    from corpus.store import Store


HOUR = 3600.0


@dataclass(frozen=True)
class FileCoverage:
    """How many of a source file's basic blocks were reached, and how many in the last hour."""

    file: str
    reached: int
    blocks: int
    last_hour: int

    def summary(self) -> dict[str, str | int]:
        """The documented keys of `tzer cov --json`."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.reached:6} of {self.blocks:6} blocks  {self.file}"


@dataclass(frozen=True)
class PassUse:
    """How many corpus entries have a pass in their sequence, and how many findings are in it."""

    name: str
    entries: int
    findings: int

    def summary(self) -> dict[str, str | int]:
        """The documented keys of `tzer cov --by pass --json`."""
        return {"pass": self.name, "entries": self.entries, "findings": self.findings}

    def __str__(self) -> str:
        return f"{self.entries:6} entries {self.findings:6} findings  {self.name}"


def tvm_release() -> str:
    """The TVM at hand and the numbering of its blocks, to which the ids in a store are bound."""
    from harness.coverage.blockmap import FORMAT

    return f"{version('apache-tvm')} (blocks {FORMAT})"


def by_file(store: Store) -> list[FileCoverage]:
    """The files in the campaign's scope, those with most reached blocks first.

    Raises:
        UserError: the campaign is of another TVM, or its blocks are not those of this one.
    """
    import numpy as np

    from harness.coverage.native import load_block_map
    from harness.coverage.scope import resolve_scope

    settings = store.settings()
    if settings.get("tvm") != tvm_release():
        raise UserError(
            f"the campaign is of TVM {settings.get('tvm')}, this is {tvm_release()}; "
            "run tzer cov --by file where that TVM is installed"
        )
    names = settings.get("scope")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError("the campaign's scope can't be read; its folder is damaged")
    block_map = load_block_map()
    reached = store.blocks_in_order()
    if len(reached) and int(reached.max()) >= len(block_map.blocks):
        raise UserError("the campaign has blocks that this TVM lacks; its folder is damaged")
    scope = block_map.in_scope(resolve_scope(names))
    recent = reached[_blocks_an_hour_ago(store) :]
    wanted = np.zeros(len(block_map.blocks), bool)
    wanted[scope] = True
    blocks, hit, new = (
        np.bincount(block_map.block_file[each], minlength=len(block_map.files))
        for each in (scope, reached[wanted[reached]], recent[wanted[recent]])
    )
    rows = [
        FileCoverage(block_map.files[place], int(hit[place]), int(blocks[place]), int(new[place]))
        for place in np.flatnonzero(blocks)
    ]
    return sorted(rows, key=lambda row: (-row.reached, row.file))


def _blocks_an_hour_ago(store: Store) -> int:
    """How many blocks the campaign had reached an hour before the end of its timeline."""
    points = store.timeline()
    if not points:
        return 0
    before = points[-1]["elapsed_s"] - HOUR
    return int(max((p["native_blocks"] for p in points if p["elapsed_s"] <= before), default=0))


def by_pass(store: Store) -> list[PassUse]:
    """The passes in the campaign's sequences, those in most entries first."""
    # A finding may be in another stage than a pass, such as "build": passes have a dialect.
    entries = Counter(name for calls in store.passes() for name in {call.name for call in calls})
    findings = Counter(found.verdict.pass_name for found in store.findings())
    names = {*entries, *(name for name in findings if "." in name)}
    rows = [PassUse(name, entries[name], findings[name]) for name in names]
    return sorted(rows, key=lambda row: (-row.entries, -row.findings, row.name))
