"""Blocks and loops of a schedule by name, as a trace refers to them.

A block is its name, or "name#2" for the second of several blocks of one name in program order; a
loop is (block, index among the loops around the block, outermost first).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness import compat


def block_labels(schedule: Any) -> list[str]:
    """The labels of the function's blocks with iterators, in program order."""
    blocks = [schedule.get(each) for each in _all(schedule)]
    count = Counter(str(block.name_hint) for block in blocks)
    count[str(_root(schedule).name_hint)] += 1
    seen: Counter[str] = Counter()
    labels = []
    for block in blocks:
        name = str(block.name_hint)
        seen[name] += 1
        if len(block.iter_vars):
            labels.append(name if count[name] == 1 else f"{name}#{seen[name]}")
    return labels


def find_block(schedule: Any, label: str) -> Any:
    """The schedule's random variable of the block.

    Raises:
        LookupError: there is no such block.
        Exception: TVM's ScheduleError for the same reason.
    """
    name, _, number = label.partition("#")
    if not number:
        return schedule.get_sblock(name)
    same = [each for each in _all(schedule) if str(schedule.get(each).name_hint) == name]
    if not (number.isdecimal() and len(number) < 5 and 0 < int(number) <= len(same)):
        raise LookupError(f"there is no block {label}")
    return same[int(number) - 1]


def _root(schedule: Any) -> Any:
    return schedule.mod[schedule.func_working_on.name_hint].body.block


def _all(schedule: Any) -> list[Any]:
    """All blocks below the root, in program order."""
    root = schedule.get_sblock(_root(schedule).name_hint)
    found, pending = [], list(schedule.get_child_blocks(root))
    while pending:
        block = pending.pop(0)
        found.append(block)
        pending = list(schedule.get_child_blocks(block)) + pending
    return found


def realize_of(schedule: Any, block: Any) -> Any:
    """The SBlockRealize of the SBlock in the function at work."""
    body = schedule.mod[schedule.func_working_on.name_hint].body
    for node in compat.nodes(body):
        if compat.type_key(node) == "SBlockRealize" and node.block.same_as(block):
            return node
    raise LookupError(f"there is no block {block.name_hint}")


def find_loop(schedule: Any, label: str, index: int) -> Any:
    """The schedule's random variable of the loop.

    Raises:
        LookupError: there are not as many loops around the block.
        Exception: TVM's ScheduleError if there is no such block.
    """
    loops = list(schedule.get_loops(find_block(schedule, label)))
    if not 0 <= index < len(loops):
        raise LookupError(f"there is no loop {index} around block {label}")
    return loops[index]
