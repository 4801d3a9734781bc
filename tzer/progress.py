"""Progress: the display of a running campaign on standard error.

A live table in a terminal; otherwise a plain line every ten seconds, for logs.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.console.terminal import print_line
from harness.system.text import printable

if TYPE_CHECKING:
    from corpus.store import Store
    from tzer.options import CampaignOptions

PLAIN_SECONDS = 10.0
RECENT_SECONDS = 60.0

Stats = dict[str, Any]


class RecentGrowth:
    """The growth of a counter in the last minute."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, value: int) -> int:
        now = time.monotonic()
        self._points.append((now, value))
        while self._points[0][0] < now - RECENT_SECONDS:
            self._points.popleft()
        return value - self._points[0][1]


class Budget:
    """The budget of this run and how much is spent; the first start of a worker doesn't count."""

    def __init__(self, options: CampaignOptions, before: Stats) -> None:
        self._options = options
        self._before = before

    def spent(self, stats: Stats) -> str:
        """The time and tests of this run so far, as text."""
        text = hours(max(0.0, stats["elapsed_s"] - self._before["elapsed_s"]))
        if self._options.time_s:
            text += f" of {hours(self._options.time_s)}"
        if self._options.tests:
            text += f", test {stats['tests'] - self._before['tests']} of {self._options.tests}"
        return text


@contextmanager
def progress_view(options: CampaignOptions, store: Store) -> Iterator[Callable[[Stats], None]]:
    """Yields a function that displays statistics until the block ends."""
    print_line(f"starting {options.jobs} workers; the first start takes longest", err=True)
    budget = Budget(options, store.stats())
    if not sys.stderr.isatty():
        yield _plain(budget)
        return
    from rich.console import Console
    from rich.live import Live

    recent = RecentGrowth()
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

        def show(stats: Stats) -> None:
            grown = recent.add(stats["native_blocks"])
            live.update(_table(options, store, stats, grown, budget), refresh=True)

        yield show


def _plain(budget: Budget) -> Callable[[Stats], None]:
    shown = 0.0

    def show(stats: Stats) -> None:
        nonlocal shown
        if time.monotonic() - shown < PLAIN_SECONDS:
            return
        shown = time.monotonic()
        found = sum(stats["findings"].values())
        print_line(
            f"{budget.spent(stats)}  {stats['tests']} tests, "
            f"{stats['tests_per_second']:.1f}/s, {stats['valid_rate']:.0%} valid, "
            f"{stats['native_blocks']} blocks, corpus {stats['corpus']}, {found} findings",
            err=True,
        )

    return show


def _table(options: CampaignOptions, store: Store, stats: Stats, grown: int, budget: Budget) -> Any:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("time", budget.spent(stats))
    for name, text in summary_rows(stats, f"+{grown} in the last minute"):
        style = "bold" if name == "findings" and stats["findings"] else ""
        table.add_row(name, Text(printable(text), style))
    latest = store.latest_finding()
    if latest is not None:
        last = Text(printable("  ".join(latest)), overflow="ellipsis", no_wrap=True)
        table.add_row("latest", last)
    title = Text(printable(f"tzer  {options.out}"))
    return Panel(table, title=title, title_align="left", expand=False)


def summary_rows(stats: Stats, growth: str) -> Iterator[tuple[str, str]]:
    """The statistics of a campaign as rows of name and text; `growth` is printed at the blocks."""
    rate = f"{stats['tests_per_second']:.1f} a second"
    yield "tests", f"{stats['tests']}, {rate}, {stats['valid_rate']:.0%} valid"
    yield "", f"{stats['native_runs']} also run natively"
    yield "spent on", ", ".join(_spent(stats))
    if stats["faults"]:
        yield "", f"{stats['faults']} jobs ended by an error of tzer itself"
    yield "coverage", f"{stats['native_blocks']} blocks ({growth})"
    yield "", f"{stats['native_files']} source files, {stats['python_lines']} Python lines"
    yield "corpus", f"{stats['corpus']}"
    kinds = ", ".join(f"{count} {kind}" for kind, count in stats["findings"].items())
    yield "findings", kinds or "none yet"
    if stats["known_failures"]:
        share = stats["known_failures"] / max(stats["tests"], 1)
        issues = ", ".join(stats["known_findings"])
        yield "known", f"{share:.1%} of the tests ended at known issues: {issues}"


# What the workers' time is spent on, by the name of its key.
SPENT = {
    "passes_s": "passes",
    "code_generators_s": "code generators",
    "llvm_s": "LLVM",
    "interpreter_s": "interpreter",
    "checks_s": "checks",
    "else_s": "everything else",
}


def _spent(stats: Stats) -> Iterator[str]:
    total = max(sum(stats[key] for key in SPENT), 1e-9)
    return (f"{stats[key] / total:.0%} {name}" for key, name in SPENT.items())


def hours(seconds: float) -> str:
    """Seconds as 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
