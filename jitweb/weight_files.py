"""A bundle's weights as files: one of safetensors, or its bytes in parts of at most a given size.

Some hosts take no larger file than 25 MB. The runtime fetches parts at the same time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jitweb.errors import JitwebError

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = "weights.safetensors"
MOST_PARTS = 1000
STEP = 1 << 20  # bytes copied at once
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
SIZE = re.compile(r"(\d{1,12}) ?(?:([kmg]i?)?b)?", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """The bytes of a size such as 24MB or 24MiB.

    Raises:
        ValueError: it isn't one.
    """
    found = SIZE.fullmatch(text.strip())
    size = int(found[1]) * UNITS[(found[2] or "").lower()] if found else 0
    if size <= 0:
        raise ValueError(f"{text[:40]!r} is not a size; give one such as 24MB")
    return size


def write_weights(
    folder: Path, weights: Mapping[str, np.ndarray], most: int | None = None
) -> list[str]:
    """Write weights by their names; returns the files, whose bytes follow each other.

    Raises:
        JitwebError: files of at most `most` bytes would be too many.
        OSError, SafetensorError: they can't be written.
    """
    import numpy as np
    from safetensors.numpy import save_file

    path = folder / WEIGHTS
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, path)
    size = path.stat().st_size
    if most is None or size <= most:
        return [path.name]
    count = -(-size // most)
    if count > MOST_PARTS:
        raise JitwebError(
            f"--shard would make {count} files of {size} bytes of weights, and at most "
            f"{MOST_PARTS} are possible; give at least {-(-size // MOST_PARTS)}B"
        )
    names = [f"weights.{number}-of-{count}.bin" for number in range(1, count + 1)]
    with path.open("rb") as whole:
        for name in names:
            with (folder / name).open("wb") as part:
                left = most
                while left and (content := whole.read(min(left, STEP))):
                    left -= part.write(content)
    path.unlink()
    return names
