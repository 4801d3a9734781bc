"""A tool's command, run in this process: it is as if it were typed, without a new start of TVM."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock


def run_command(
    main: Callable[[], None], *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What `main` prints for these arguments of the command line, and its exit status."""
    given = [main.__module__.partition(".")[0], *map(str, arguments)]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    status: object = 0
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", given),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ending:
            status = ending.code or 0
    assert isinstance(status, int)
    return subprocess.CompletedProcess(given, status, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    content = stream.buffer
    assert isinstance(content, io.BytesIO)
    return content.getvalue().decode()
