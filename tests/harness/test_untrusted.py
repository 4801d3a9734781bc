"""A module from elsewhere is data: its names are names, and nothing that it says is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tvm
from tvm import tirx
from tvm.script import from_source

from harness.case import Case, CaseError, load_module, module_text
from harness.ir.script import check_syntax, full_script, parsed_back, script
from harness.ir.untrusted import check_names, check_program
from harness.oracles.verify import verify
from harness.verdict import Kind
from tests import programs

PROGRAM = """
@I.ir_module
class Module:
    @T.prim_func(private=True, s_tir=True)
    def helper(first: T.Buffer((4,), "float32")):
        for i in range(4):
            first[i] = T.float32(0)

    @T.prim_func(s_tir=True)
    def main(given: T.Buffer((4, 8), "float32"), size: T.int32, target: T.Buffer((4,), "float32")):
        T.func_attr({"some.key": "some value"})
        local = T.alloc_buffer((8,), "float32", scope="shared")
        T.attr(local.data, "double_buffer_scope", 1)
        for row in T.serial(4, annotations={"remark": "a text"}):
            with T.sblock("stage"):
                axis = T.axis.spatial(4, row)
                T.reads(given[axis, 0])
                T.writes(target[axis])
                T.sblock_attr({"trait": "a value"})
                target[axis] = given[axis, 0]
        for thread in T.thread_binding(4, thread="threadIdx.x"):
            target[thread] = given[thread, 0]
        assert size > 0, "a message"
"""
NAMES = ["helper", "main", "first", "i", "given", "size", "local", "row", "stage", "axis"]
NAMES += ["thread", "threadIdx.x", "shared", "double_buffer_scope", "some.key", "remark", "trait"]
TEXTS = ["some value", "a text", "a value", "a message"]
# Each ends something: a name, a literal, a line, a comment; or is not a name of Python's.
HOSTILE = [
    "a b",
    "f(x: print()): pass",
    "a'''",
    'a"""',
    "a\n#",
    "a\\",
    "a;b",
    "\x1b[2J",
    "é",
    "__a()",
]


@pytest.fixture(scope="module")
def text() -> str:
    return module_text(from_source(PROGRAM))


def renamed(text: str, old: str, new: str) -> Any:
    assert json.dumps(old) in text
    return load_module(text.replace(json.dumps(old), json.dumps(new)))


def test_an_ordinary_module_is_let_through(text: str) -> None:
    check_program(load_module(text))
    assert "def helper(" in full_script(load_module(text))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name(text: str, name: str) -> None:
    for hostile in HOSTILE:
        with pytest.raises(CaseError, match="is not a"):
            check_names(renamed(text, name, hostile))
        assert script(renamed(text, name, hostile)) is None


@pytest.mark.parametrize("hostile", ["class", "a.b", "a-b", "", "1a"])
def test_a_function_has_a_name_of_python(text: str, hostile: str) -> None:
    with pytest.raises(CaseError, match="is not a function's name"):
        check_names(renamed(text, "helper", hostile))


@pytest.mark.parametrize("value", TEXTS)
def test_a_string_is_one_line_and_ends_no_literal(text: str, value: str) -> None:
    for hostile in ("two\nlines", "\x1b[2J", "\u2028", "\x00", "x" * 100_000):
        with pytest.raises(CaseError, match="is not a line of text"):
            check_names(renamed(text, value, hostile))
    for hostile in ('"); system("', "\\"):
        with pytest.raises(CaseError, match="holds a quote"):
            check_program(renamed(text, value, hostile))


def test_the_symbol_of_a_function_is_a_name() -> None:
    module = programs.shifted_inner()
    function = module["main"].with_attr("global_symbol", "main(){} int other")
    with pytest.raises(CaseError, match="is not a function's name"):
        check_names(tvm.IRModule({"main": function}))


def test_the_name_of_a_function_is_not_run_where_its_script_is_parsed(
    text: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    code = (
        f"f(x: open({str(marker)!r}, 'w').close()):\n        pass\n\n"
        "    @T.prim_func(private=True)\n    def g"
    )
    module = renamed(text, "helper", code)
    assert script(module) is None
    with pytest.raises(CaseError):
        parsed_back(module)
    assert verify(Case(module_text(module))).kind is Kind.INVALID
    assert not marker.exists()


@pytest.mark.parametrize(
    "statement",
    [
        'T.evaluate(T.call_extern("int32", "system", "true"))',
        'T.evaluate(T.call_pure_extern("int32", "getpid"))',
        'T.call_packed("runtime.SystemLib")',
        'T.evaluate(T.call_llvm_pure_intrin("int32", "llvm.trap"))',
        'T.attr(target.data, "pragma_import_c", "text")',
    ],
)
def test_a_program_is_complete_in_itself(statement: str) -> None:
    source = PROGRAM.replace("        local =", f"        {statement}\n        local =")
    module = from_source(source)
    with pytest.raises(CaseError, match="the program (calls|imports)"):
        check_program(module)
    found = verify(Case(module_text(module)))
    assert found.kind is Kind.INVALID and "the program" in found.message


def test_a_function_that_is_not_in_the_module_is_not_called(text: str) -> None:
    calling = PROGRAM.replace("        local =", "        Module.helper(target)\n        local =")
    module = from_source(calling)
    check_program(module)
    del module[module.get_global_var("helper")]
    with pytest.raises(CaseError, match="which it does not define"):
        check_program(module)


def test_a_program_that_is_small_in_a_store_is_not_endless_in_print() -> None:
    module = load_module(with_shared_sums(40))  # TVM's constructors would never end
    for check in (check_names, check_program, full_script):
        with pytest.raises(CaseError, match="has more than 1000000 nodes"):
            check(module)


def with_shared_sums(depth: int) -> str:
    """A module whose value is a sum of the next sum with itself, so deep."""
    x = tirx.Var("x", "int32")
    function = tirx.PrimFunc([x], tirx.Evaluate(tirx.Add(x, x)))
    graph = json.loads(module_text(tvm.IRModule({"main": function})))
    nodes = graph["nodes"]
    (place,) = (index for index, node in enumerate(nodes) if node["type"].endswith(".Add"))
    later = {number: number + depth for number in range(place, len(nodes))}
    for node in nodes[place + 1 :]:
        if isinstance(data := node["data"], dict):
            node["data"] = {key: later.get(value, value) for key, value in data.items()}
        elif isinstance(data, list):
            node["data"] = [later.get(value, value) for value in data]
    sums = [
        {**nodes[place], "data": {**nodes[place]["data"], "a": number, "b": number}}
        for number in range(place, place + depth)
    ]
    nodes[place + 1 : place + 1] = sums
    graph["root_index"] += depth
    return json.dumps(graph)


def test_what_is_not_a_primfunc_is_refused() -> None:
    module = programs.shifted_inner()
    module["other"] = tvm.relax.ExternFunc("other")
    with pytest.raises(CaseError, match="ExternFunc"):
        check_names(module)


FUNCTION = """
@I.ir_module
class Module:
    @T.prim_func
    def main(target: T.Buffer((4,), "int32")):
        {}
"""


@pytest.mark.parametrize(
    "line",
    [
        "for i in range(4): target[i] = T.max(target[0], 1) + (-i if i > 2 else 3)",
        'target.view((2, 2), dtype="int32")[0, 0] = 1',
        'with T.sblock("name"): T.reads(target[0:4])',
    ],
)
def test_what_the_printer_writes_is_tvmscript(line: str) -> None:
    check_syntax(FUNCTION.format(line))
    check_syntax(f"metadata = tvm.ir.load_json('''{{}}''')\n{FUNCTION.format(line)}")


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "target[0] = open('file')",
        "target[0] = target()",
        "target[0] = tvm.get_global_func('name')",
        "target[0] = T.int32.__class__",
        "target[0] = ''.join(T)",
        "target[0] = (lambda: 1)()",
        "target[0] = [i for i in range(4)]",
        "target[0] = f'{target}'",
        "range = T.evaluate",
        "T = target",
        "def inner(default=print): pass",
        "async def inner(): pass",
        "global target",
        "metadata = tvm.ir.load_json(T.name)",
    ],
)
def test_anything_else_is_not_parsed(line: str) -> None:
    with pytest.raises(CaseError, match="its TVMScript"):
        check_syntax(FUNCTION.format(line))
    with pytest.raises(CaseError, match="its TVMScript"):
        check_syntax(f"{line}\n{FUNCTION.format('pass')}")
