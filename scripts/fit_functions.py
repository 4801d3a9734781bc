#!/usr/bin/env python3
"""Fits the rational functions of jitweb/space/approximate.py and prints their coefficients.

    python scripts/fit_functions.py

f(x) = x P(x^2) / Q(x^2) on [-X, X], Q(0) = 1, by linearised least squares whose weights grow where
the error is largest (Sanathanan and Koerner, 1963; Lawson, 1961). Prints the largest error of the
fit and that of its evaluation in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

POINTS = 4000
ITERATIONS = 60
Function = Callable[[np.ndarray], np.ndarray]

# The function, X, and the degrees of P and Q in x^2.
FUNCTIONS: dict[str, tuple[Function, float, int, int]] = {
    "erf": (np.vectorize(math.erf, otypes=[np.float64]), 3.9, 6, 4),
    "tanh": (np.tanh, 8.0, 5, 3),
}


def fit(
    function: Function, limit: float, above: int, below: int
) -> tuple[float, list[float], list[float]]:
    """The largest error, and the coefficients of P and Q, constants first."""
    x = limit * np.sin(np.linspace(1e-4, np.pi / 2, POINTS))
    y, z = function(x), (x / limit) ** 2
    numerator = np.stack([x * z**k for k in range(above + 1)], 1)
    columns = np.concatenate([numerator, np.stack([-y * z**k for k in range(1, below + 1)], 1)], 1)
    weights, denominator = np.ones(POINTS), np.ones(POINTS)
    best = (math.inf, np.zeros(columns.shape[1]))
    for _ in range(ITERATIONS):
        scale = weights / denominator
        solution, *_ = np.linalg.lstsq(columns * scale[:, None], y * scale, rcond=None)
        denominator = 1 + sum(solution[above + k] * z**k for k in range(1, below + 1))
        error = np.abs(numerator @ solution[: above + 1] / denominator - y)
        best = min(best, (error.max(), solution), key=lambda pair: pair[0])
        weights = weights * (error / error.max() + 1e-3) ** 0.3
    largest, solution = best
    over = [solution[k] / limit ** (2 * k) for k in range(above + 1)]
    under = [1.0, *(solution[above + k] / limit ** (2 * k) for k in range(1, below + 1))]
    return float(largest), over, under


def error_in_float32(
    function: Function, limit: float, over: list[float], under: list[float]
) -> float:
    """The largest absolute error of the rational function evaluated in float32."""
    x = np.linspace(-limit - 2, limit + 2, 400_001).astype(np.float32)
    clipped = np.clip(x, np.float32(-limit), np.float32(limit))
    square = clipped * clipped
    parts = []
    for coefficients in (over, under):
        value = np.full_like(square, coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = value * square + np.float32(coefficient)
        parts.append(value)
    result = clipped * parts[0] / parts[1]
    return float(np.abs(result - function(x.astype(np.float64))).max())


def main() -> None:
    for name, (function, limit, above, below) in FUNCTIONS.items():
        largest, over, under = fit(function, limit, above, below)
        print(f"{name} on [-{limit}, {limit}]: error {largest:.2g}", end="")
        print(f", in float32 {error_in_float32(function, limit, over, under):.2g}")
        for label, coefficients in (("P", over), ("Q", under)):
            print(f"  {label} = ({', '.join(f'{each:.9g}' for each in coefficients)})")


if __name__ == "__main__":
    main()
