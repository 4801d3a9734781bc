"""`tzer cov`: what of the compiler a campaign has reached, by file and by pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from corpus.store import Store
from harness import UserError
from harness.case import Case, PassCall
from harness.coverage import native
from harness.verdict import Kind, Verdict
from tzer.cli import cli
from tzer.cov import by_file, tvm_release

NONE = np.empty(0, np.uint32)
SIMPLIFY, UNROLL = PassCall("tirx.StmtSimplify"), PassCall("tirx.UnrollLoop")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    settings = {"tvm": tvm_release(), "scope": ["tirx"]}
    with Store.create_or_resume(tmp_path / "campaign", settings) as one:
        yield one


def test_a_pass_is_counted_once_an_entry_and_once_a_finding(store: Store) -> None:
    store.add_entry(Case("{}", (SIMPLIFY, UNROLL, SIMPLIFY)), NONE, None)
    store.add_entry(Case("{}", (SIMPLIFY,)), NONE, None)
    verdicts = [("tirx.UnrollLoop", "a"), ("tirx.UnrollLoop", "b"), ("build", "c")]
    for name, signature in verdicts:
        verdict = Verdict(Kind.CRASH, True, "it died", signature, name)
        store.add_finding(Case("{}", (UNROLL,)), verdict, 1, True)
    done = CliRunner().invoke(cli, ["cov", str(store.folder), "--by", "pass", "--json"])
    assert json.loads(done.stdout) == [
        {"pass": "tirx.StmtSimplify", "entries": 2, "findings": 0},
        {"pass": "tirx.UnrollLoop", "entries": 1, "findings": 2},
    ]


@pytest.mark.native
@pytest.mark.skipif(not native.available()[0], reason=native.available()[1])
def test_blocks_are_counted_by_file_in_the_scope_of_the_campaign(store: Store) -> None:
    block_map = native.load_block_map()
    inside = block_map.in_scope(("src/tirx/transform/unroll_loop.cc",))
    outside = block_map.in_scope(("src/relax/",))
    store.add_coverage(np.concatenate([inside[:3], outside[:5]]), [])
    first, *rest = by_file(store)
    assert (first.file, first.reached, first.blocks) == (
        "src/tirx/transform/unroll_loop.cc",
        3,
        len(inside),
    )
    assert rest and all(row.reached == 0 and row.file.startswith("src/tirx/") for row in rest)


@pytest.mark.parametrize(
    "settings",
    [{}, {"tvm": "0.1 (blocks 1)"}, {"tvm": tvm_release()}, {"tvm": tvm_release(), "scope": [1]}],
    ids=["nothing", "another TVM", "no scope", "no names"],
)
def test_blocks_of_another_tvm_or_of_no_scope_are_refused(
    settings: dict[str, object], tmp_path: Path
) -> None:
    with Store.create_or_resume(tmp_path / "campaign", settings) as store:
        with pytest.raises(UserError, match="another TVM|is of TVM|is damaged"):
            by_file(store)


def test_the_graph_of_passes_needs_no_campaign() -> None:
    done = CliRunner().invoke(cli, ["cov", "--graph"])
    assert done.output.startswith("digraph passes {")
    assert '"tirx.StorageRewrite" -> "separate-storage" [style=dashed];' in done.output
    assert CliRunner().invoke(cli, ["cov"]).exit_code == 2
