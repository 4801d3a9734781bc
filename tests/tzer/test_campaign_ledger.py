"""The ledger: what counts as new, and what never will."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tzer.ledger import Ledger


def blocks(*ids: int) -> np.ndarray:
    return np.array(ids, np.uint32)


def test_a_settled_block_is_never_new_again() -> None:
    ledger = Ledger()
    assert ledger.unknown(blocks(5, 3, 5, 9)).tolist() == [3, 5, 9]
    assert ledger.settle(stable=blocks(3, 5), unstable=blocks(9)).tolist() == [3, 5]
    assert ledger.unknown(blocks(3, 5, 9, 11)).tolist() == [11]
    assert ledger.coverage().tolist() == [3, 5]
    assert ledger.unstable().tolist() == [9]


def test_an_unstable_block_does_not_become_coverage() -> None:
    ledger = Ledger()
    ledger.settle(blocks(), blocks(4))
    assert ledger.settle(blocks(4)).size == 0
    assert ledger.stable_count == 0


def test_each_caller_hears_of_every_settled_block_once() -> None:
    ledger = Ledger()
    ledger.settle(blocks(1))
    heard, mark = ledger.settled_since(0)
    assert heard.tolist() == [1]
    ledger.settle(blocks(1, 2), blocks(3))
    assert sorted(ledger.settled_since(mark)[0].tolist()) == [2, 3]
    assert sorted(ledger.settled_since(0)[0].tolist()) == [1, 2, 3]


def test_a_python_line_is_new_once() -> None:
    ledger = Ledger()
    assert ledger.add_lines([("a.py", 1)]) == {("a.py", 1)}
    assert ledger.add_lines([("a.py", 1), ("a.py", 2)]) == {("a.py", 2)}


@given(st.lists(st.lists(st.integers(0, 300_000), max_size=20), max_size=20))
def test_coverage_is_the_union_of_what_was_settled(parts: list[list[int]]) -> None:
    ledger = Ledger()
    fresh = [ledger.settle(blocks(*part)).size for part in parts]
    union = sorted({block for part in parts for block in part})
    assert ledger.coverage().tolist() == union
    assert sum(fresh) == ledger.stable_count == len(union)


def test_of_two_workers_that_find_the_same_block_one_is_first() -> None:
    ledger, firsts = Ledger(), []

    def settle() -> None:
        firsts.append(ledger.settle(np.arange(50_000, dtype=np.uint32)).size)

    threads = [threading.Thread(target=settle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == [0, 0, 0, 50_000]
