"""The error of an array: the measure that the tuner and `verify` use."""

from __future__ import annotations

import numpy as np

# Larger numbers count as infinite: masks add float32's smallest value, and results round.
HUGE = 1e30
LEAST_SCALE = 1e-6
TOLERANCE = 1e-4  # of an output's scale
SHORT_TOLERANCE = 1e-2  # where products are of float16


def scale_of(wanted: np.ndarray) -> float:
    """The largest magnitude of an array's elements that are not huge; at least 1e-6."""
    magnitudes = np.abs(wanted.astype(np.float64))
    with np.errstate(invalid="ignore"):
        ordinary = magnitudes < HUGE
    return float(np.max(magnitudes, initial=LEAST_SCALE, where=ordinary))


def errors(found: np.ndarray, wanted: np.ndarray, scale: float | None = None) -> np.ndarray:
    """The error of each element, a float64 relative to `scale` (by default that of `wanted`).

    The error of integers, bools and of huge, infinite and NaN elements is 0 or infinity: it is 0 if
    both are equal, both huge with the same sign, or both NaN.
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
