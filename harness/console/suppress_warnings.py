"""Keeping the compiler's own warnings from the user, who can do nothing about them."""

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
    """Leave out what TVM's C++ warns of on standard error; everything else comes at the end.

    Nothing else should write there meanwhile: it goes by the process's file descriptor.
    """
    try:
        before = os.dup(STDERR)
    except OSError:  # standard error is closed: there is nobody to spare
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, STDERR)
            os.close(before)
            kept.seek(0)
            for line in kept:
                if WARNING not in line:
                    os.write(STDERR, line)
