"""The lock of a campaign's folder: one campaign at a time writes to it.

An advisory lock on a file, which the system lets go of when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from corpus.errors import StoreError


class FolderLock:
    """Held from construction to `release`.

    Raises:
        StoreError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
