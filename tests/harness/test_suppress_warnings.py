"""The compiler's warnings are left out; whatever else is said on standard error is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import os, sys
from harness.console.suppress_warnings import without_warnings
try:
    with without_warnings():
        os.write(2, b"[12:00:00] /src/transform.h:1: Warning: mind the gap\\n")
        os.write(2, b"something else\\n")
        print("from Python", file=sys.stderr)
        raise ValueError("it failed")
except ValueError as error:
    print(error, file=sys.stderr)
"""


def test_only_warnings_are_left_out() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.splitlines() == ["something else", "from Python", "it failed"]


def test_a_closed_standard_error_is_no_error() -> None:
    module = "harness.console.suppress_warnings"
    code = f"from {module} import without_warnings\nwith without_warnings(): print(1)"
    done = subprocess.run(
        f"'{sys.executable}' -c '{code}' 2>&-",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "1\n")
