"""Encoding: how cases and block sets become columns, and back.

A store may have been damaged, or come from elsewhere: reading a column executes nothing, has a
limit of size, and a broken one is a DecodeError.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.case import Case, CaseError

if TYPE_CHECKING:  # loaded where it is used: statistics need no arrays
    import numpy as np

MAX_MODULE_BYTES = 64 << 20
MAX_BLOCK_BYTES = 16 << 20


class DecodeError(ValueError):
    """A column does not hold what it should."""


def pack_blocks(blocks: np.ndarray) -> bytes:
    """Block ids as little-endian uint32, deflated."""
    import numpy as np

    return zlib.compress(np.asarray(blocks, "<u4").tobytes(), 1)


def unpack_blocks(data: bytes) -> np.ndarray:
    """The block ids (uint32) that `pack_blocks` packed."""
    import numpy as np

    plain = _inflate(data, MAX_BLOCK_BYTES)
    if len(plain) % 4:
        raise DecodeError("a set of blocks is cut off")
    return np.frombuffer(plain, "<u4").astype(np.uint32)


def pack_module(case: Case) -> bytes:
    """The case's module text, deflated."""
    return zlib.compress(case.module.encode())


def pack_rest(case: Case) -> str:
    """The case without its module, as JSON."""
    return replace(case, module="").to_json()


def unpack_case(module: bytes | None, rest: str) -> Case:
    """The case of a packed module and the rest."""
    try:
        return replace(Case.from_json(rest), module=_inflate(module, MAX_MODULE_BYTES).decode())
    except (CaseError, UnicodeDecodeError) as error:
        raise DecodeError(str(error)) from None


def _inflate(data: bytes | None, limit: int) -> bytes:
    if data is None:
        raise DecodeError("its module is missing")
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, limit)
    except zlib.error as error:
        raise DecodeError(str(error)) from None
    if not inflater.eof:
        raise DecodeError("a column is cut off, or larger than anything that tzer writes")
    return plain
