"""What is kept of a corpus reaches all of it, needs all of itself, and is the cheapest at hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus.distill import cover

corpora = st.lists(st.tuples(st.sets(st.integers(0, 60), max_size=12), st.integers(1, 50)))


def covered(reached: list[set[int]], sizes: list[int]) -> list[int]:
    arrays = [np.array(sorted(ids), np.uint32) for ids in reached]
    return cover(dict(enumerate(sizes)), arrays.__getitem__)


@given(corpora)
def test_the_kept_entries_reach_everything_and_each_is_needed(
    corpus: list[tuple[set[int], int]],
) -> None:
    reached, sizes = [ids for ids, _ in corpus], [size for _, size in corpus]
    kept = covered(reached, sizes)
    everything = set[int]().union(*reached)
    assert set[int]().union(*(reached[each] for each in kept)) == everything
    for left_out in kept:
        assert set[int]().union(*(reached[each] for each in kept if each != left_out)) != everything


def test_of_entries_that_reach_the_same_the_smaller_is_kept() -> None:
    assert covered([{1, 2}, {1, 2}, {1, 2}], [30, 10, 20]) == [1]


def test_two_small_entries_are_better_than_a_large_one() -> None:
    assert sorted(covered([{1, 2, 3}, {1, 2}, {3}], [100, 3, 3])) == [1, 2]


def test_nothing_is_kept_of_nothing() -> None:
    assert covered([], []) == []
    assert covered([set()], [1]) == []
