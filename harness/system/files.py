"""Files: written whole or not at all, never through a link that somebody else put there."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import stat
import time
from pathlib import Path

NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
REMOVE_SECONDS = 5.0


def write_atomically(
    path: Path, content: bytes, *, replace: bool = True, follow: bool = True
) -> None:
    """Write a file whole or not at all: a temporary file beside it, which is then renamed.

    Where `path` is a link, what it leads to is written. A device or a pipe is written to and stays
    what it is. Without `follow`, whatever it is, it is replaced: for files in a folder that
    somebody else may have filled. Without `replace`, a file that is there stays as it is.

    Raises:
        OSError: it can't be written.
    """
    real = Path(os.path.realpath(path)) if follow else path
    if follow and real.exists() and not real.is_file():
        real.write_bytes(content)
        return
    # A name that nobody can guess, and a file that was not there: no link can be followed.
    temporary = real.with_name(f".{real.name[:64]}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | NEW, 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        if replace:
            temporary.replace(real)
        else:
            _rename_to_new(temporary, real)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # as of a full disk
            error.filename = str(path)
        raise


def _rename_to_new(temporary: Path, real: Path) -> None:
    try:
        os.link(temporary, real)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not real.exists():
            temporary.replace(real)
            return
    temporary.unlink()


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        OSError: it can't be read, is a device, a pipe or a folder, or is larger.
    """
    with open_bounded(path, most) as file:
        return file.read(most)


def open_bounded(path: Path, most: int) -> io.BufferedReader | io.BytesIO:
    """A regular file of at most so many bytes, to be read; its end comes, and is not waited for.

    Files that the kernel makes up as they are read, such as /proc/kmsg, have no size and perhaps no
    end: they are empty here.

    Raises:
        OSError: it can't be read, is a device, a pipe or a folder, or is larger.
    """
    # Without O_NONBLOCK a pipe would be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        os.close(descriptor)
        is_large = stat.S_ISREG(status.st_mode)
        reason = f"it is larger than {most >> 20} MiB" if is_large else "it is not a regular file"
        raise OSError(0, reason, str(path))
    if status.st_size == 0:
        os.close(descriptor)
        return io.BytesIO()
    return open(descriptor, "rb")


def remove_folder(folder: Path) -> None:
    """Remove a folder into which killed processes may still write for a moment.

    A signal is delivered after `kill` returns: a file that a browser makes meanwhile, in a folder
    that is being removed, would keep the folder. What can't be removed stays, without an error.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)
