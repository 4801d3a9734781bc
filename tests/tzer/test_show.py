"""A finding that is shown fits the terminal, with its program."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import tvm
from tvm import tirx

from corpus.store import Store
from harness.case import Case, module_text
from harness.verdict import Kind, Stage, Verdict
from tzer.show import folded

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 60


def test_long_lines_are_folded_and_indented_further() -> None:
    line = "    target[0] = " + " + ".join(f"source[{index}]" for index in range(40))
    parts = list(folded(["short", line, "\x1b[2J" * 50], COLUMNS))
    assert parts[0] == "short"
    assert parts[1].startswith("    target") and parts[2].startswith("            source")
    assert all(len(part) <= COLUMNS and part.isprintable() for part in parts)
    assert list(folded([line], sys.maxsize)) == [line]


def test_a_program_fits_the_terminal(tmp_path: Path) -> None:
    target = tirx.decl_buffer((1,), "int32", "target")
    total = tirx.BufferLoad(target, [0])
    for number in range(40):
        total = total * tirx.const(3, "int32") + tirx.const(number, "int32")
    function = tirx.PrimFunc([target], tirx.BufferStore(target, total, [0]))
    module = tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
    verdict = Verdict(Kind.CRASH, True, "it died " * 40, "crash|a", stage=Stage("legal", "lower"))
    with Store.create_or_resume(tmp_path) as store:
        store.add_finding(Case(module_text(module)), verdict, 1, True)
        finding_id = store.findings()[0].id
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    shown = b""
    with subprocess.Popen(
        [sys.executable, "-c", "from tzer.cli import main; main()", "show", tmp_path, finding_id],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        env={key: value for key, value in os.environ.items() if key != "COLUMNS"},
    ) as process:
        os.close(theirs)
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r", "").split("\n")
    assert any("def main(" in line for line in lines)
    assert all(len(line.rstrip()) <= COLUMNS for line in lines), lines
