"""Rewriting: places in a program are reached and replaced by path, and binders are renamed."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tvm_ffi
from tvm import tirx
from tvm.script import from_source

from harness import compat
from harness.ir import rewrite
from harness.ir.sites import sites
from seeds.generator import generate

COPY = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32"),
             C: T.Buffer((8,), "float32")):
        for i in range(8):
            with T.sblock("copy"):
                vi = T.axis.spatial(8, i)
                C[vi] = A[vi]
"""


def copy_function() -> Any:
    return from_source(COPY)["main"]


@pytest.mark.parametrize("seed", range(10))
def test_replacing_a_node_by_itself_changes_nothing(seed: int) -> None:
    function = generate(random.Random(seed))["main"]
    for site in sites(function):
        assert rewrite.at(function, site.path).same_as(site.node)
        again = rewrite.replace_at(function, site.path, site.node)
        assert tvm_ffi.structural_equal(again, function)


@pytest.mark.parametrize("seed", range(10))
def test_a_refreshed_statement_may_stand_beside_the_original(seed: int) -> None:
    module = generate(random.Random(seed))
    body = module["main"].body
    twice = rewrite.sequence([body, rewrite.refresh(body)])
    bound = rewrite.bound_below(twice)
    assert len(set(bound)) == len(bound)
    if compat.type_key(body) != "SBlockRealize":
        doubled = rewrite.with_function(
            module, module.get_global_var("main"), module["main"].with_body(twice)
        )
        assert compat.why_ill_formed(doubled) is None


def test_a_changed_block_declares_what_it_reads() -> None:
    function = copy_function()
    b = function.params[1]
    load = next(site for site in sites(function) if site.key == "BufferLoad")
    other = tirx.BufferLoad(b, list(load.node.indices))
    changed = rewrite.replace_at(function, load.path, other, rewrite.update_regions)
    block = next(node for node in compat.nodes(changed.body) if _is_copy(node))
    assert [compat.region_buffer(region).name for region in block.reads] == ["B"]


def _is_copy(node: Any) -> bool:
    return compat.type_key(node) == "SBlock" and node.name_hint == "copy"


def test_sites_know_ranges_roles_and_guards() -> None:
    found = sites(copy_function())
    load = next(site for site in found if site.key == "BufferLoad")
    (index,) = [site for site in found if site.path[:-1] == load.path]
    assert index.guard is not None
    assert (index.guard.path, index.guard.extent) == (index.path, 8)
    assert index.scope.interval_of(index.node) == (0, 7)
    assert {site.role for site in found if site.key == "IntImm"} <= {"bound", "predicate"}
