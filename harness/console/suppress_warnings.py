"""Suppresses the warnings of TVM's C++ on standard error, which a user can't act on."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

WARNING = b": Warning: "
STDERR = 2


@contextmanager
def without_warnings() -> Iterator[None]:
    """Remove warnings of TVM's C++ from standard error; other output is written at the end.

    Nothing else should write there meanwhile, because this redirects the process's file descriptor.
    """
    try:
        before = os.dup(STDERR)
    except OSError:  # standard error is closed
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, STDERR)
            os.close(before)
            captured.seek(0)
            for line in captured:
                if WARNING not in line:
                    os.write(STDERR, line)
