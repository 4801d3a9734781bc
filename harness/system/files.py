"""Files: written whole or not at all, never through a link that somebody else put there."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, which is then renamed.

    Where `path` is a link, what it leads to is written. A device or a pipe is written to and stays
    what it is.

    Raises:
        OSError: it can't be written.
    """
    real = Path(os.path.realpath(path))
    if real.exists() and not real.is_file():
        real.write_bytes(content)
        return
    # A name that nobody can guess, and a file that was not there: no link can be followed.
    temporary = real.with_name(f".{real.name[:64]}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | NEW, 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(real)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        OSError: it can't be read, is a device, a pipe or a folder, or is larger.
    """
    # Without O_NONBLOCK a pipe would be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no regular file", str(path))
    with open(descriptor, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(0, f"it is larger than {most >> 20} MiB", str(path))
    return content
