"""The coverage_map: what counts as new, and what never will."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tzer.coverage_map import CoverageMap


def blocks(*ids: int) -> np.ndarray:
    return np.array(ids, np.uint32)


def test_a_settled_block_is_never_new_again() -> None:
    coverage_map = CoverageMap()
    assert coverage_map.unknown(blocks(5, 3, 5, 9)).tolist() == [3, 5, 9]
    assert coverage_map.settle(stable=blocks(3, 5), unstable=blocks(9)).tolist() == [3, 5]
    assert coverage_map.unknown(blocks(3, 5, 9, 11)).tolist() == [11]
    assert coverage_map.coverage().tolist() == [3, 5]
    assert coverage_map.unstable().tolist() == [9]


def test_an_unstable_block_does_not_become_coverage() -> None:
    coverage_map = CoverageMap()
    coverage_map.settle(blocks(), blocks(4))
    assert coverage_map.settle(blocks(4)).size == 0
    assert coverage_map.stable_count == 0


def test_each_caller_hears_of_every_settled_block_once() -> None:
    coverage_map = CoverageMap()
    coverage_map.settle(blocks(1))
    heard, mark = coverage_map.settled_since(0)
    assert heard.tolist() == [1]
    coverage_map.settle(blocks(1, 2), blocks(3))
    assert sorted(coverage_map.settled_since(mark)[0].tolist()) == [2, 3]
    assert sorted(coverage_map.settled_since(0)[0].tolist()) == [1, 2, 3]


def test_a_python_line_is_new_once() -> None:
    coverage_map = CoverageMap()
    assert coverage_map.add_lines([("a.py", 1)]) == {("a.py", 1)}
    assert coverage_map.add_lines([("a.py", 1), ("a.py", 2)]) == {("a.py", 2)}


@given(st.lists(st.lists(st.integers(0, 300_000), max_size=20), max_size=20))
def test_coverage_is_the_union_of_what_was_settled(parts: list[list[int]]) -> None:
    coverage_map = CoverageMap()
    fresh = [coverage_map.settle(blocks(*part)).size for part in parts]
    union = sorted({block for part in parts for block in part})
    assert coverage_map.coverage().tolist() == union
    assert sum(fresh) == coverage_map.stable_count == len(union)


def test_of_two_workers_that_find_the_same_block_one_is_first() -> None:
    coverage_map, firsts = CoverageMap(), []

    def settle() -> None:
        firsts.append(coverage_map.settle(np.arange(50_000, dtype=np.uint32)).size)

    threads = [threading.Thread(target=settle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == [0, 0, 0, 50_000]
