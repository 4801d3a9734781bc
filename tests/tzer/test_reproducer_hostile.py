"""What a store says is data in a reproducer: it ends no literal or comment, and is never run."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from dataclasses import replace
from pathlib import Path

import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st

from corpus.store import Store
from harness.case import Case, CaseError, PassCall, load_module, module_text
from harness.ir.script import full_script
from harness.semantics.reference import Invalid
from harness.verdict import Kind, Stage, Verdict
from tests import programs
from tests.harness.test_untrusted import PROGRAM
from tzer.triage.program import program_of
from tzer.triage.reproducer import write_reproducer
from tzer.triage.source_text import WIDTH, clean, comment, fold, lines_literal, text_literal

ROOT = Path(__file__).resolve().parents[2]
CASE = Case(module_text(programs.shifted_inner()), (PassCall("s_tir.CanonicalizeLoop"),))
HOSTILE = [
    "'''\nraise SystemExit(77)\n'''",
    '"""\nraise SystemExit(77)\n"""',
    "\r\nraise SystemExit(77)",
    "\x0craise SystemExit(77)",
    "\u2028raise SystemExit(77)",
    "# coding: utf-7\n# coding: utf-7",
    "\\",
    "\\N{DIGIT ONE}{0}%s",
    "\x00",
    "\x1b]0;title\x07\x1b[2J",
    "\u202eright to left",
    "\udcff",
    "x" * 100_000,
]
CALM = "nothing special"


def verdict_with(kind: Kind, text: str) -> Verdict:
    return Verdict(
        kind,
        True,
        text,
        text,
        text,
        Stage("legal", text),
        {"error": text, "stderr": text, text: text},
    )


def shape(text: str) -> str:
    """The syntax of a script, without what its literals are."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = type(node.value).__name__
    return ast.dump(tree)


def check(text: str) -> None:
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\udcff" not in text and tokenize.detect_encoding(
        io.BytesIO(text.encode()).readline
    ) == ("utf-8", [text.encode().splitlines(keepends=True)[0]])


@pytest.mark.parametrize("target", ["llvm", "wasm"])
@pytest.mark.parametrize("kind", [Kind.CRASH, Kind.ROUND_TRIP, Kind.INVALID_CODEGEN])
def test_free_text_changes_nothing_but_literals_and_comments(kind: Kind, target: str) -> None:
    case = replace(CASE, target=target)
    calm = shape(write_reproducer(case, verdict_with(kind, CALM)))
    for hostile in HOSTILE:
        named = replace(case, origin=hostile[:900])
        text = write_reproducer(named, verdict_with(kind, hostile))
        check(text)
        assert shape(text) == calm
        assert len(text) < 60_000


def test_what_a_script_prints_of_a_message_is_obeyed_by_no_terminal(tmp_path: Path) -> None:
    text = write_reproducer(CASE, verdict_with(Kind.ROUND_TRIP, "\x1b[2Jgone\r"))
    (meaning,) = (line for line in text.split("\n") if line.startswith("MEANING"))
    assert ast.literal_eval(meaning.partition(" = ")[2]) == "\\x1b[2Jgone\\r"


@pytest.mark.parametrize(
    "call",
    [
        PassCall("print().BindTarget"),
        PassCall("__import__('os').BindTarget"),
        PassCall("tirx.NoSuchPass"),
        PassCall("tirx.BindTarget", ("llvm -libs=x",)),
        PassCall("tirx.NarrowDataType", ("print()",)),
        PassCall("tirx.NarrowDataType", (1 << 62,)),
        PassCall("tirx.StmtSimplify", ('{"a": "b"}',)),
        PassCall("tirx.StmtSimplify", ("{1: print()}",)),
        PassCall("tirx.StmtSimplify", (True, True, True)),
    ],
    ids=str,
)
def test_a_pass_is_one_of_the_catalogue_with_arguments_of_its_own(call: PassCall) -> None:
    with pytest.raises(CaseError):
        write_reproducer(
            replace(CASE, passes=(call,)), Verdict(Kind.CRASH, stage=Stage("legal", "lower"))
        )


@pytest.mark.parametrize("changes", [{"opt_level": 10**30}, {"input_seed": -1}, {"target": "c'"}])
def test_a_number_and_a_target_are_within_what_they_may_be(changes: dict[str, object]) -> None:
    with pytest.raises(CaseError):
        write_reproducer(replace(CASE, **changes), Verdict(Kind.CRASH))  # type: ignore[arg-type]


def test_a_name_in_the_program_is_code_neither_here_nor_in_the_script(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    name = (
        f"f(x: open({str(marker)!r}, 'w').close()):\n        pass\n\n"
        "    @T.prim_func(private=True)\n    def g"
    )
    module = tvm.script.from_source(PROGRAM)
    case = Case(module_text(module).replace('"helper"', f'"{name}"'.replace("\n", "\\n")))
    assert load_module(case.module) is not None
    verdict = Verdict(Kind.CRASH, False, "it died", "crash|a", "", Stage("illegal", "lower"))
    assert program_of(case, verdict).script is None
    with pytest.raises(Invalid, match="is not a function's name"):
        write_reproducer(case, verdict)
    with Store.create_or_resume(tmp_path / "store") as store:
        store.add_finding(case, verdict, 1, True)
        finding_id = store.findings()[0].id
    for command in ("repro", "show"):
        done = subprocess.run(
            [sys.executable, "-c", "from tzer.cli import main; main()", command]
            + [str(tmp_path / "store"), finding_id],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == (2 if command == "repro" else 0), done.stderr
        assert "is not a function's name" in done.stdout + done.stderr
    assert not marker.exists()


def test_a_string_of_the_program_ends_no_literal() -> None:
    source = PROGRAM.replace("a value", "'''\" + x".replace('"', ""))
    source = source.replace('T.thread_binding(4, thread="threadIdx.x")', "range(4)")
    case = Case(module_text(tvm.script.from_source(source.replace(', scope="shared"', ""))))
    text = write_reproducer(case, Verdict(Kind.REJECTED_VALID, stage=Stage("legal", "lower")))
    (module,) = (
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODULE"
    )
    assert isinstance(module, ast.Call)
    program = "\n".join(ast.literal_eval(module.args[0]))
    assert "'''" in program and program in full_script(case.load())


@given(st.text())
def test_literals_say_what_they_hold(text: str) -> None:
    assert "\n".join(ast.literal_eval(lines_literal(text))) == text
    assert ast.literal_eval(text_literal(text)) == text
    for literal in (lines_literal(text), text_literal(text)):
        assert all(line.isprintable() for line in literal.split("\n"))


@given(st.lists(st.text()))
def test_a_comment_is_nothing_but_comments(lines: list[str]) -> None:
    for line in comment(lines).split("\n"):
        assert line == "" or line.startswith("#")
        assert line.isprintable() and len(line) <= WIDTH + 2
    assert all(clean(line).isprintable() for line in lines)


def test_long_lines_are_folded_and_keep_their_indentation() -> None:
    line = "    target[0] = " + " + ".join(f"source[{index}]" for index in range(40))
    parts = fold(line, 60)
    assert all(len(part) <= 60 for part in parts) and len(parts) > 5
    assert parts[0].startswith("    target") and parts[1].startswith("            ")
    assert " ".join(part.strip() for part in parts) == line.strip()
    rows = lines_literal(line).split("\n")
    assert all(len(row) <= WIDTH for row in rows)
