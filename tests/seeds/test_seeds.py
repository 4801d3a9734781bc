"""The seeds: enough of them, all valid, the same in every process, and covering every feature."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import compat, passes
from harness.case import Case, load_module
from harness.oracles.verify import verify
from harness.semantics.reference import reference_of
from harness.verdict import Kind
from seeds import Seed, all_seeds, families, library, missing

ROOT = Path(__file__).resolve().parents[2]


def test_there_are_hundreds_of_distinct_programs() -> None:
    hashes = {compat.structural_hash(seed.module) for seed in all_seeds()}
    assert len(hashes) == len(all_seeds()) >= 300


def test_every_family_has_seeds_and_few_are_missing() -> None:
    wanted = {"topi", "layers", "relax", "onnx", "transformer", "scheduled", "lowered"}
    wanted |= {"arithmetic", "blocks", "control", "reductions", "storage", "vectors"}
    assert set(families()) == wanted
    assert all(len(all_seeds([family])) >= 15 for family in wanted)
    assert len(missing()) < len(all_seeds()) / 20, missing()


def test_names_are_unique_and_begin_with_the_family() -> None:
    names = [seed.name for seed in all_seeds()]
    assert len(set(names)) == len(names)
    assert all(seed.name.startswith(f"{seed.family}/") for seed in all_seeds())


def test_every_seed_is_valid_and_can_be_interpreted() -> None:
    for seed in all_seeds():
        assert reference_of(Case(seed.text)).expectation is not None, seed.name


def test_every_seed_can_be_lowered_legally() -> None:
    for seed in all_seeds():
        states = passes.initial_states(seed.module)
        assert passes.is_legal(states, passes.complete(states, (), "llvm")), seed.name


@pytest.mark.parametrize("seed", all_seeds()[::40], ids=lambda seed: str(seed.name))
def test_a_sample_compiles_correctly(seed: Seed) -> None:
    found = verify(Case(seed.text))
    assert found.kind is Kind.OK, found


@pytest.mark.parametrize(
    "feature",
    ["While", "IfThenElse", "Bind", "Let", "Select", "Ramp", "Broadcast", "Shuffle", "Cast"]
    + ["SBlockRealize", "MatchBufferRegion", "AllocBuffer", "DeclBuffer", "AssertStmt", "AttrStmt"]
    + ["FloorDiv", "FloorMod", "Div", "Mod", "Min", "Max", "And", "Or", "Not"],
)
def test_every_feature_of_the_ir_is_in_a_seed(feature: str) -> None:
    marks = (f'"tirx.{feature}"', f'"prim.{feature}"', f'"s_tir.{feature}"', f'"ir.{feature}"')
    assert any(mark in seed.text for seed in all_seeds() for mark in marks)


def test_another_process_builds_the_same_seeds() -> None:
    """Independent of hash order: two campaigns with the same seed must start the same way."""
    code = (
        "from harness.case import module_text; from seeds.families import all_recipes\n"
        "for recipe in all_recipes():\n"
        "    if recipe.family in ('blocks', 'control', 'transformer'):\n"
        "        print(recipe.name, module_text(recipe.build()), sep='\\t')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    built = dict(line.split("\t") for line in done.stdout.splitlines())
    ours = all_seeds(["blocks", "control", "transformer"])
    assert len(ours) > 100
    for seed in ours:
        assert built[seed.name] == seed.text, seed.name


def test_a_damaged_cache_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = library.Catalogue((Seed("a/b", "a", "{}"),), {})
    monkeypatch.setattr(library, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(library, "build", lambda: made)
    library.catalogue.cache_clear()
    try:
        assert library.catalogue() == made
        (cached,) = tmp_path.glob("seeds-*.json")
        cached.write_text("{cut off")
        library.catalogue.cache_clear()
        assert library.catalogue() == made
    finally:
        library.catalogue.cache_clear()


def test_a_seed_loads_without_executing_anything() -> None:
    seed = all_seeds()[0]
    assert compat.structural_equal(load_module(seed.text), seed.module)
