"""The targets of a campaign: those that are named, or llvm and now and then what runs nowhere."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence

from harness.case import Case, module_text
from harness.system.processes import run_program
from harness.targets.table import NAMES, TRICKLE
from tests import programs
from tzer.job import handle

TESTS = 400


def targets_of(trickle: Sequence[str]) -> Counter[str]:
    """How many of the tests are for each target."""
    request = {
        "do": "mutate", "action": "replay", "case": Case(module_text(programs.matmul())).to_json(),
        "targets": ["llvm"], "trickle": trickle,
    }  # fmt: skip
    made = (handle({**request, "seed": seed})["case"] for seed in range(TESTS))
    return Counter(Case.from_json(case).target for case in made)


def test_a_fixed_share_of_the_tests_is_for_targets_that_run_nowhere() -> None:
    counted = targets_of(TRICKLE)
    assert {"llvm"} < set(counted) <= {"llvm", *TRICKLE}
    assert 0.01 < 1 - counted["llvm"] / TESTS < 0.1


def test_without_a_trickle_all_tests_are_for_the_targets_that_are_named() -> None:
    assert targets_of(()) == {"llvm": TESTS}


def test_the_help_names_every_target() -> None:
    command = [sys.executable, "-c", "from tzer.cli import main; main()", "fuzz", "--help"]
    text = run_program(command, 60, dict(os.environ)).stdout
    words = text.replace(",", " ").replace(".", " ").replace("]", " ").split()
    assert set(NAMES) <= set(words)
