"""What counts as right: integers exactly, floats by their scale, what is huge by its sign."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitweb.compare import errors, scale_of

LEAST = float(np.finfo(np.float32).min)
INF, NAN = np.inf, np.nan


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (floats(1, 2.5), floats(1, 2), [0, 0.25]),
        (floats(-77, 1e9, LEAST), floats(1, 2, LEAST), [39, 5e8, 0]),
        (floats(LEAST, 1), floats(LEAST * 0.9, 1), [0, 0]),
        (floats(-INF, 1), floats(INF, 1), [INF, 0]),
        (floats(-INF, -LEAST), floats(LEAST, -INF), [0, INF]),
        (floats(INF, 1.5), floats(INF, 1), [0, 0.5]),
        (floats(5, 1), floats(LEAST, 1), [INF, 0]),
        (floats(NAN, 1, NAN), floats(NAN, NAN, 1), [0, INF, INF]),
        (np.array([30003, 7]), np.array([30000, 7]), [INF, 0]),
        (np.array([True]), np.array([False]), [INF]),
        (floats(), floats(), []),
    ],
)
def test_errors(found: Any, wanted: Any, expected: list[float]) -> None:
    np.testing.assert_allclose(errors(found, wanted), expected, rtol=1e-6)


def test_the_scale_is_of_what_is_ordinary() -> None:
    assert scale_of(floats(-3, LEAST, INF, NAN)) == 3
    assert scale_of(floats(0, 0)) == scale_of(floats()) == 1e-6
    assert errors(floats(1), floats(0.5), 100.0).tolist() == [0.005]
