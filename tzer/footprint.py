"""Footprint: the memory and disk space that a campaign takes, and whether they grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

MOST_POINTS = 240
SECONDS = 5.0
# A campaign's first minutes load modules and fill caches: growth is that of the later part. A
# worker's child grows until it is replaced, after some minutes: over less than several of its lives
# a slope is that of where they began and ended.
SETTLED_SHARE = 0.5
FEWEST_SECONDS = 600.0

Point = tuple[float, int, int]


class Footprint:
    """Points of (elapsed seconds, bytes of memory of all processes, bytes of the store).

    At most `MOST_POINTS`, at equal distances: when they are too many, every other one is dropped.
    """

    def __init__(self, folder: Path, points: Sequence[Sequence[float]] = ()) -> None:
        self._folder = folder
        self.points: list[Point] = [(float(at), int(rss), int(disk)) for at, rss, disk in points]
        spread = self.points[-1][0] - self.points[0][0] if self.points else 0.0
        self._distance = max(SECONDS, spread / MOST_POINTS)
        self._next = 0.0

    def measure(self, elapsed: float) -> None:
        """Add a point, if it is time for one."""
        if elapsed < self._next:
            return
        self.points.append((elapsed, memory_bytes(), stored_bytes(self._folder)))
        if len(self.points) > MOST_POINTS:
            del self.points[1::2]
            self._distance *= 2
        self._next = elapsed + self._distance


def memory_bytes() -> int:
    """Of this process and all that it has started: what they share is counted once, on Linux."""
    total = 0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            total += _share_of(process)
        except psutil.Error:  # it has just ended
            continue
    return total


def _share_of(process: psutil.Process) -> int:
    """The proportional set size, where the system knows it; else the resident memory."""
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    return int(getattr(full, "pss", full.rss))


def stored_bytes(folder: Path) -> int:
    """Of all files in a campaign's folder."""
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except OSError:  # SQLite removes its own files at times
            continue
    return total


def growth(points: Sequence[Sequence[float]]) -> dict[str, float]:
    """Keys of `tzer stats --json`: the bytes that were last measured, and how many more an hour.

    The slopes are of least squares over the later part of the campaign; 0 where that is too short
    to say.
    """
    last = points[-1] if points else (0.0, 0, 0)
    begin = points[0][0] + SETTLED_SHARE * (last[0] - points[0][0]) if points else 0.0
    later = [point for point in points if point[0] >= begin]
    times = [point[0] for point in later]
    memory, store = (_slope(times, [point[which] for point in later]) for which in (1, 2))
    return {
        "rss_bytes": last[1],
        "store_bytes": last[2],
        "rss_bytes_per_hour": memory,
        "store_bytes_per_hour": store,
    }


def describe(points: Sequence[Sequence[float]]) -> str:
    """The same for people."""
    figures = growth(points)
    memory, store = figures["rss_bytes"] / 2**20, figures["store_bytes"] / 2**20
    more = [figures[f"{name}_bytes_per_hour"] / 2**20 for name in ("rss", "store")]
    if not any(more):
        return f"{memory:.0f} MiB of memory; {store:.1f} MiB of store"
    return (
        f"{memory:.0f} MiB of memory, {more[0]:+.0f} an hour; "
        f"{store:.1f} MiB of store, {more[1]:+.1f} an hour"
    )


def _slope(times: list[float], values: list[float]) -> float:
    if not times or times[-1] - times[0] < FEWEST_SECONDS:
        return 0.0
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - middle) ** 2 for time in times)
    together = sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True))
    return 3600 * together / spread
