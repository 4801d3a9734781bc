"""The table of oracles."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from typing import Any

from harness import oracles
from harness.case import PassCall
from harness.oracles import table
from harness.oracles.oracle import Oracle
from tests import programs
from tests.harness.oracles.views import compilation, picked

ALL: tuple[Oracle[Any], ...] = (*table.AFTER_PASS, *table.AFTER_LOWERING, *table.AFTER_RUN)


def test_every_oracle_of_the_package_stands_in_the_table_once() -> None:
    defined = set()
    for module in pkgutil.iter_modules(oracles.__path__):
        found = vars(importlib.import_module(f"harness.oracles.{module.name}")).values()
        defined |= {each.name for each in found if isinstance(each, Oracle)}
    names = [oracle.name for oracle in ALL]
    assert sorted(names) == sorted(defined)


def test_an_oracle_looks_at_the_same_cases_in_every_run() -> None:
    made = compilation(programs.matmul())
    for oracle in ALL:
        seen = replace(made, case=picked(oracle, made.case))
        assert oracle.looks_at(seen) and oracle.looks_at(seen)
    rare = replace(ALL[0], every=2**31)
    assert not rare.looks_at(made)


def test_an_oracle_does_not_look_at_an_illegal_sequence_unless_it_can() -> None:
    made = compilation(programs.matmul(), PassCall("tirx.LowerIntrin"))
    assert not made.sequence.legal
    assert not any(oracle.looks_at(made) for oracle in ALL)
    assert replace(table.AFTER_PASS[0], needs_legal=False).looks_at(made)
