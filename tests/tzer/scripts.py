"""Many reproducers by one start of TVM, which takes longer than most of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Each script runs as the main program of a fork of a process that has loaded TVM.
RUN_EACH = """
import io, json, os, runpy, sys
from contextlib import redirect_stdout
import tvm

for script in sys.argv[1:]:
    if os.fork() == 0:
        printed, status = io.StringIO(), 0
        sys.argv = [script]
        with redirect_stdout(printed):
            try:
                runpy.run_path(script, run_name="__main__")
            except SystemExit as end:
                status = end.code or 0
        print(json.dumps([script, status, printed.getvalue()]), flush=True)
        os._exit(0)
    os.wait()
"""


def run_each(
    python: Path | str, scripts: Sequence[Path], environment: Mapping[str, str]
) -> tuple[dict[Path, tuple[int, str]], str]:
    """Exit status and standard output of each script; of all together what came on stderr."""
    done = subprocess.run(
        [python, "-c", RUN_EACH, *scripts],
        capture_output=True,
        text=True,
        cwd=scripts[0].parent,
        env=environment,
        timeout=600,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(script): (status, printed) for script, status, printed in lines}, done.stderr
