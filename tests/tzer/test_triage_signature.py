"""Signatures of triage: findings of one cause have one, those of two causes have two.

signatures.jsonl holds verdicts of campaigns on 0.26 and 0.27, of llvm, c, webgpu and wasm, each
with its cause as found by hand.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from harness.verdict import Kind, Verdict
from tzer.triage.backtrace import frames_of_backtrace
from tzer.triage.signature import across_releases, oracles_of, signature_of, words_of

ROWS = [
    json.loads(line)
    for line in Path(__file__).with_name("signatures.jsonl").read_text().splitlines()
]


def signature(row: dict[str, Any]) -> str:
    return signature_of(Verdict.from_json(json.dumps(row["verdict"])), row["target"])


def named(row: dict[str, Any], number: int) -> str:
    return f"{number}-{row['cause']}-{row['release']}"


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: named(ROWS[number], number))
def test_a_finding_has_the_signature_of_its_cause_and_of_no_other(number: int) -> None:
    one = ROWS[number]
    for other in ROWS[:number]:
        if one["release"] == other["release"]:
            left, right = signature(one), signature(other)
        else:
            left, right = across_releases(signature(one)), across_releases(signature(other))
        assert (left == right) == (one["cause"] == other["cause"]), (other["cause"], left, right)


def test_there_are_enough_pairs_of_both_kinds() -> None:
    same = sum(one["cause"] == other["cause"] for one, other in combinations(ROWS, 2))
    assert same >= 40 and len(list(combinations(ROWS, 2))) - same >= 1000


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("A Seq of length 1 is bad.  Use the node A[0] = 1", "_ Seq of length # is bad"),
        ("5 exceeds range of bool", "# exceeds range of bool"),
        ("Binding of variable let1 as I.Range(0, 1)", "Binding of variable _ as"),
        ("undefined variable x at <root>.body", "undefined variable _ at"),
        ("value 0x7f3a11 at 'x'", "value # at _"),
    ],
)  # fmt: skip
def test_a_message_loses_what_it_prints_of_the_program(message: str, words: str) -> None:
    assert words_of(message) == words


def test_a_check_in_a_constructor_belongs_to_who_called_it() -> None:
    def raised(caller: str) -> str:
        trace = (
            f'  File "<unknown>", line 0, in {caller}(tvm::PrimExpr const&)\n'
            '  File "/project/src/ir/expr.cc", line 93, in tvm::IntImm::IntImm(tvm::Type)\n'
        )
        message = "Check failed: (value == 0 || value == 1) is false: 5 exceeds range of bool"
        kind = Kind.INTERNAL_ERROR
        return signature_of(Verdict(kind, True, message, "x", detail={"backtrace": trace}))

    assert raised("tvm::tirx::LoopPartitioner::Visit") != raised("tvm::s_tir::CacheIndex")
    assert raised("tvm::s_tir::CacheIndex") == raised("tvm::tirx::CacheIndex")  # it has moved


def test_a_backtrace_is_read_from_the_inside_and_says_what_visitors_are_for() -> None:
    text = (
        '  File "x.py", line 3, in <module>\n'
        '  File "<unknown>", line 0, in tvm::ffi::Any tvm::ObjectMutator::DispatchNode<A, B>(int)\n'
        '  File "<unknown>", line 0, in tvm::sym::RewriteSimplifier::Impl::VisitExpr_'
        "(tvm::tirx::FloorDivNode const*)\n"
        '  File "/project/src/sym/rewrite.cc", line 9, in (anonymous namespace)::Fold<int>(int)\n'
    )
    frames = list(frames_of_backtrace(text))
    assert [frame.short for frame in frames if frame.matters] == [
        "Fold",
        "RewriteSimplifier::Impl::VisitExpr_(FloorDivNode)",
    ]
    assert (frames[0].file, frames[0].line) == ("src/sym/rewrite.cc", 9)


@pytest.mark.parametrize("kind", Kind)
def test_any_verdict_has_a_signature_and_known_oracles(kind: Kind) -> None:
    from harness.oracles import table

    for text in ("", "x", "|||", "Check failed: (", "a" * 5000):
        verdict = Verdict(kind, True, text, text, text, detail={"frames": [1], "backtrace": text})
        assert bool(signature_of(verdict)) == verdict.is_finding
        assert len(signature_of(verdict)) <= 200
    known: set[str] = {each.name for each in table.AFTER_PASS}
    known |= {each.name for each in table.AFTER_LOWERING} | {each.name for each in table.AFTER_RUN}
    assert known.issuperset(oracles_of(Verdict(kind)))
