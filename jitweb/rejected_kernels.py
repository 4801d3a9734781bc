"""Kernels that were rejected, kept as cases: each may be a bug of TVM, or of ours."""

from __future__ import annotations

import re
from pathlib import Path

from tvm import IRModule

from harness.case import Case, module_text
from harness.system.files import write_atomically
from jitweb.errors import JitwebError
from jitweb.space.candidate import Candidate
from jitweb.task_input import TaskInput

FOLDER = "wrong"


def keep_rejected(beside: Path, target: str, task: TaskInput, candidate: Candidate) -> Path:
    """Write the candidate's kernel as a case of the target, "wasm" or "webgpu"; returns the file.

    The kernel is a PrimFunc without blocks, before any lowering. A candidate that can't even be
    built leaves the task's own function.

    Raises:
        JitwebError: the file can't be written.
    """
    try:
        function = candidate.build().function
    except Exception:  # the very thing that it was rejected for
        function = task.function
    module = IRModule({"main": function.with_attr("global_symbol", "main")})
    case = Case(module_text(module), target=target, origin=f"jitweb {task.name}, {candidate.text}")
    name = re.sub(r"[^a-z0-9]+", "-", f"{task.key}-{candidate.text}".lower())
    path = beside / FOLDER / f"{name[:200]}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, case.to_json().encode())
    except OSError as error:
        raise JitwebError(f"{path} can't be written: {error.strerror}") from None
    return path
