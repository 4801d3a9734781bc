"""How far an array is from what it should be: the one measure of the tuner and of `verify`."""

from __future__ import annotations

import numpy as np

# From here on a number stands for infinity: masks add float32's least, and rounding does the rest.
HUGE = 1e30
LEAST_SCALE = 1e-6
TOLERANCE = 1e-4  # of an output's scale


def scale_of(wanted: np.ndarray) -> float:
    """The greatest magnitude of an array's elements that are not huge; at least 1e-6."""
    magnitudes = np.abs(wanted.astype(np.float64))
    with np.errstate(invalid="ignore"):
        ordinary = magnitudes < HUGE
    return float(np.max(magnitudes, initial=LEAST_SCALE, where=ordinary))


def errors(found: np.ndarray, wanted: np.ndarray, scale: float | None = None) -> np.ndarray:
    """How wrong each element is, as a float64 share of `scale` (else that of `wanted`).

    Integers and bool are right (0) or wrong (infinity), and so is what is huge, infinite or NaN:
    right is what is as huge, of the same sign, or NaN as well.
    """
    if not np.issubdtype(wanted.dtype, np.floating):
        return np.where(found == wanted, 0.0, np.inf)
    scale = scale_of(wanted) if scale is None else scale
    found, wanted = found.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(all="ignore"):
        error = np.abs(found - wanted) / scale
        is_huge = np.abs(wanted) >= HUGE
        as_huge = (np.abs(found) >= HUGE / 10) & (np.sign(found) == np.sign(wanted))
        error = np.where(is_huge, np.where(as_huge, 0.0, np.inf), error)
    error[np.isnan(error)] = np.inf
    error[np.isnan(found) & np.isnan(wanted)] = 0.0
    return error
