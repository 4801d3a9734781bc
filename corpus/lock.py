"""The lock of a campaign's folder: one campaign at a time writes to it.

An advisory lock on a file, which the system lets go of when the process ends, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from corpus.errors import StoreError


class FolderLock:
    """Held from construction to `release`.

    Raises:
        StoreError: another process holds it, or the file is a link.
        OSError: the file can't be opened.
    """

    def __init__(self, folder: Path) -> None:
        how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._descriptor = os.open(folder / "lock", how, 0o644)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise StoreError(f"{folder}/lock is a link; give another folder") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise StoreError(
                f"another campaign is writing to {folder}; wait for it to end, stop it, "
                "or give another --out"
            ) from None

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
