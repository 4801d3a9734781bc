"""Arrays from an .npz file: nothing in it is executed, and nothing of it is larger than memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from harness.system.files import read_bounded
from jitweb.errors import JitwebError

MOST_BYTES = 4 << 30  # what WebAssembly's memory holds


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name.

    Raises:
        JitwebError: it is missing, unreadable, another kind of file, damaged, or over 4 GiB.
    """
    try:
        content = io.BytesIO(read_bounded(path, MOST_BYTES))
        with zipfile.ZipFile(content) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise JitwebError(f"the arrays in {path} are larger than 4 GiB; use smaller ones")
        content.seek(0)
        with np.load(content, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except JitwebError:
        raise
    except FileNotFoundError:
        raise JitwebError(f"{path} does not exist") from None
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen kinds for a damaged file
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise JitwebError(
            f"{path} can't be read as .npz{reason}; write it with numpy.savez"
        ) from None
