"""Constructor calls make the same module on every release, and hold nothing of it but literals."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tvm
from tvm import s_tir, tirx

from harness import compat
from harness.case import load_module, module_text
from seeds import library
from tests import programs
from tzer.triage.constructors import PREAMBLE, CantWrite, as_constructors
from tzer.triage.program import constructor_function

ROOT = Path(__file__).resolve().parents[2]
# The other release than that of this test run, each as pip installs it for others.
OTHER = ".venv-bare" if compat.tvm_version().startswith("0.26") else ".venv-0.26"
SEEDS = [seed for seed in library.catalogue().seeds[::100] if not seed.name.startswith("lowered")]


def made(calls: str) -> Any:
    names: dict[str, Any] = {"tvm": tvm, "tirx": tirx, "s_tir": s_tir}
    exec(PREAMBLE + constructor_function(calls), names)
    return names["load"]()


def test_they_make_the_same_module() -> None:
    lowered = [seed for seed in library.catalogue().seeds if seed.name.startswith("lowered")][::9]
    modules = [load_module(seed.text) for seed in [*SEEDS, *lowered]]
    modules += [programs.scaled_sum(), programs.shifted_inner(), programs.dividing_by_zero()]
    assert len(modules) > 15
    for module in modules:
        assert compat.structural_equal(made(as_constructors(module)), module)


def test_another_release_makes_the_same_program_of_them(tmp_path: Path) -> None:
    """Printed by both: a program's text depends on names and structure alone."""
    names, body = [], []
    for number, seed in enumerate(SEEDS):
        calls = as_constructors(load_module(seed.text))
        body.append(constructor_function(calls).replace("def load", f"def load_{number}"))
        names.append(f"load_{number}")
    script = tmp_path / "programs.py"
    script.write_text(
        f"import tvm\nfrom tvm import s_tir, tirx\n{PREAMBLE}{''.join(body)}\n"
        f"for load in ({', '.join(names)},):\n    print(load().script())\n"
    )
    python = ROOT / OTHER / "bin" / "python"
    assert python.exists(), f"{OTHER} is missing: make test makes it"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, script], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("class Module") == len(SEEDS)


@pytest.mark.parametrize("name", ["x); import os; (", "'''", "class", "tvm", "ü", "", "a\nb"])
def test_names_of_the_module_are_literals(name: str) -> None:
    buffer = tirx.decl_buffer((1,), "float32", name)
    body = tirx.BufferStore(buffer, tirx.const(1.0, "float32"), [0])
    calls = as_constructors(tvm.IRModule({"main": tirx.PrimFunc([buffer], body)}))
    tree = ast.parse(constructor_function(calls))
    assert {type(node) for node in ast.walk(tree)} <= {
        ast.Module, ast.FunctionDef, ast.arguments, ast.Assign, ast.Return, ast.Name, ast.Call,
        ast.Attribute, ast.Constant, ast.List, ast.Dict, ast.keyword, ast.Load, ast.Store,
        ast.UnaryOp, ast.USub,
    }  # fmt: skip
    assert made(calls)["main"].params[0].name == name


def test_a_deep_expression_is_cut_into_parts() -> None:
    buffer = tirx.decl_buffer((1,), "int32", "a")
    value = tirx.BufferLoad(buffer, [0])
    for _ in range(150):
        value = tirx.Add(value, tirx.IntImm("int32", 1))
    module = tvm.IRModule({"main": tirx.PrimFunc([buffer], tirx.BufferStore(buffer, value, [0]))})
    calls = as_constructors(module)
    assert compat.structural_equal(made(calls), module)
    assert max(map(len, calls.split("\n"))) < 120


def test_a_program_that_is_larger_than_its_text_may_be_is_refused() -> None:
    """Eighteen additions of a value to itself are eighteen nodes, and 262,144 in text."""
    value = tirx.IntImm("int32", 1)
    for _ in range(18):
        value = tirx.Add(value, value)
    module = tvm.IRModule({"main": tirx.PrimFunc([], tirx.Evaluate(value))})
    assert load_module(module_text(module)) is not None
    with pytest.raises(CantWrite, match="nodes"):
        as_constructors(module)
