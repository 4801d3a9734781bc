"""The c target: TVM's C code generator, its source compiled by the system's C compiler."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi.libinfo

from harness import UserError
from harness.system.processes import run_program
from harness.targets.executable import CompilerRejected, Executable, raised_by_tvm
from harness.targets.on_host import OnHost
from harness.targets.table import TargetRow

COMPILERS = ("gcc", "clang", "cc")
# -ffp-contract=off for IEEE arithmetic, because results are compared with an interpreter's.
FLAGS = ("-shared", "-fPIC", "-O1", "-w", "-ffp-contract=off", "-fno-strict-aliasing")
# TVM writes float16 as "half", which is not a C type.
HALF = "-Dhalf=_Float16"
COMPILE_SECONDS = 60


class C(OnHost):
    """C source, compiled to a shared library by $CC, gcc or clang, and loaded in this process."""

    name = "c"

    def available(self) -> str | None:
        if tvm.get_global_func("target.build.c", allow_missing=True) is None:
            return "this TVM is built without its C code generator; install the apache-tvm wheel"
        if compiler() is None:
            return "no C compiler found; install gcc or clang, or name one in $CC"
        return None

    def description(self) -> dict[str, object]:
        return {"kind": "c"}

    def generate(self, lowered: Any) -> str:
        """The C source."""
        build = tvm.get_global_func("target.build.c")
        with raised_by_tvm():
            return str(build(lowered, tvm.target.Target(self.description())).inspect_source())

    def build(self, lowered: Any) -> Executable:
        """Generate, compile and load.

        Raises:
            CompilerRejected: the compiler rejects the source; the message has its first diagnostic.
            RaisedByTVM: the code generator or the loader raised.
            UserError: there is no compiler.
        """
        source = self.generate(lowered)
        directory = tempfile.TemporaryDirectory(prefix="tzer-c-")
        library = compile_library(source, Path(directory.name))
        with raised_by_tvm():
            return Executable(tvm.runtime.load_module(str(library)), keep=directory)


def make(row: TargetRow) -> C:
    """The target of the one row."""
    return C()


def compiler() -> str | None:
    """The path of the C compiler, or None."""
    names = (os.environ.get("CC", ""), *COMPILERS)
    return next((path for name in names if name and (path := shutil.which(name))), None)


def compile_library(source: str, directory: Path) -> Path:
    """Compile C source to a shared library in `directory`; raises as `C.build`."""
    found = compiler()
    if found is None:
        raise UserError("no C compiler found; install gcc or clang, or name one in $CC")
    text, library = directory / "module.c", directory / "module.so"
    text.write_text(source)
    command = [found, *FLAGS, HALF, *_include_flags(), str(text), "-o", str(library), "-lm"]
    done = run_program(command, COMPILE_SECONDS)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        diagnostic = (lines or done.stderr.splitlines() or ["no message"])[0]
        message = diagnostic.replace(f"{text}:", "line ")
        raise CompilerRejected(message, _line_of(message, source))
    return library


def _line_of(diagnostic: str, source: str) -> str:
    """The line of the source that a diagnostic names."""
    found = re.match(r"line (\d{1,9}):", diagnostic)
    lines, number = source.split("\n"), int(found[1]) if found else 0
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _include_flags() -> list[str]:
    folders = [
        tvm.libinfo.find_include_path(),
        tvm_ffi.libinfo.find_include_path(),
        tvm_ffi.libinfo.find_dlpack_include_path(),
    ]
    return [f"-I{folder}" for folder in dict.fromkeys(map(str, folders))]
