"""Names: one thing a name, and none of those that needed a comment to be understood."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tzer", "jitweb", "corpus", "seeds", "harness")
FORMER_MODULES = """
harness/command_line harness/doctor harness/guarded harness/inputs harness/intervals harness/limits
harness/lowering harness/post_mortem harness/probes harness/quiet harness/reference harness/rewrite
harness/sandbox harness/scope harness/signature harness/stages harness/verify harness/wire
harness/zygote harness/devices/keeper harness/passes/on_blocks harness/passes/without_blocks
harness/passes/to_code_generation harness/passes/entry harness/semantics/compare jitweb/wrong
jitweb/reference jitweb/space/stages seeds/makers seeds/store tzer/apart tzer/ledger
tzer/reproducer tzer/reproducer_parts tzer/device_reproducer
""".split()
FORMER_CLASSES = frozenset("Outcome Ledger Entry Plan Work Frame Section Check Value Maker".split())
# What one of several classes of a name has kept.
KEPT = {"Plan": "jitweb/plan.py"}
FLAT_IN_HARNESS = {"__init__.py", "case.py", "compat.py", "verdict.py"}


def classes() -> dict[str, list[str]]:
    """The files, relative to the project, that define a class of each name at their top level."""
    found: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("module", FORMER_MODULES)
def test_no_module_has_its_former_name(module: str) -> None:
    assert not (ROOT / f"{module}.py").exists()


def test_no_class_has_its_former_name() -> None:
    found = classes()
    left = {name: found[name] for name in FORMER_CLASSES & set(found)}
    assert left == {name: [path] for name, path in KEPT.items()}


def test_no_two_classes_share_a_name() -> None:
    public = {name: paths for name, paths in classes().items() if not name.startswith("_")}
    assert {name: paths for name, paths in public.items() if len(paths) > 1} == {}


def test_only_case_verdict_and_compat_lie_beside_the_packages_of_the_harness() -> None:
    assert {path.name for path in (ROOT / "harness").glob("*.py")} == FLAT_IN_HARNESS
