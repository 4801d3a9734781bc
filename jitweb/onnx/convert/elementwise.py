"""Functions of one element that TVM's frontend lacks, or gets wrong at the edges.

Those of trigonometry are made of exp, log, sqrt and a polynomial, as no target has them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tvm import te, tirx

from harness import compat
from jitweb.onnx.convert.node import Node

# Cephes, atanf: of |x| <= tan(pi / 8), by x squared; the highest power first.
ARCTANGENT = (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1)
LARGE, MEDIUM = math.tan(3 * math.pi / 8), math.tan(math.pi / 8)
SMALL = 0.25  # below, odd functions are series: a difference of exponentials loses digits


def of_element(function: Callable[[Any], Any]) -> Callable[[Node], Any]:
    """A converter: the function of each element."""

    def convert(node: Node) -> Any:
        def compute(x: Any) -> Any:
            return te.compute(node.shapes[0], lambda *place: function(x(*place)), name=node.name)

        return node.emit(compute, node.inputs[0])

    return convert


def is_infinite(node: Node) -> Any:
    """IsInf, of one sign or both."""
    ends = [
        end
        for end, name in ((math.inf, "detect_positive"), (-math.inf, "detect_negative"))
        if node.attributes.get(name, 1)
    ]

    def compute(x: Any) -> Any:
        def element(*place: Any) -> Any:
            found = [x(*place) == tirx.const(end, x.dtype) for end in ends]
            return tirx.any(*found) if found else tirx.const(False, "bool")

        return te.compute(node.shapes[0], element, name=node.name)

    return node.emit(compute, node.inputs[0])


def sign(x: Any) -> Any:
    """Sign: of NaN it is NaN."""
    one, zero = (tirx.const(each, compat.dtype_of(x)) for each in (1, 0))
    return tirx.Select(x > zero, one, tirx.Select(x < zero, -one, x))


def _number(value: float) -> Any:
    return tirx.const(value, "float32")


def _let(value: Any, body: Callable[[Any], Any]) -> Any:
    held = tirx.Var("of", "float32")
    return tirx.Let(held, value, body(held))


def _odd(x: Any, series: tuple[float, ...], rest: Callable[[Any], Any]) -> Any:
    """An odd function: its series, x's powers 1, 3, 5 …, near 0, and ±`rest`(|x|) elsewhere."""

    def of(size: Any) -> Any:
        square, total = x * x, _number(series[-1])
        for factor in reversed(series[:-1]):
            total = total * square + _number(factor)
        whole = rest(size)
        signed = tirx.Select(x < _number(0), -whole, whole)
        return tirx.Select(size < _number(SMALL), x * total, signed)

    return _let(tirx.abs(x), of)


def arctangent(x: Any) -> Any:
    """Atan, to 2e-7."""

    def of(size: Any) -> Any:
        is_large, is_medium = size > _number(LARGE), size > _number(MEDIUM)
        one = _number(1)
        part = tirx.Select(is_medium, (size - one) / (size + one), size)
        part = tirx.Select(is_large, -one / size, part)
        start = tirx.Select(is_medium, _number(math.pi / 4), _number(0))
        start = tirx.Select(is_large, _number(math.pi / 2), start)

        def polynomial(t: Any) -> Any:
            total = _number(ARCTANGENT[0])
            for factor in ARCTANGENT[1:]:
                total = total * (t * t) + _number(factor)
            return start + (total * (t * t) * t + t)

        return _let(
            _let(part, polynomial), lambda found: tirx.Select(x < _number(0), -found, found)
        )

    return _let(tirx.abs(x), of)


def arcsine(x: Any) -> Any:
    """Asin; NaN beyond 1."""
    return arctangent(x / tirx.sqrt((_number(1) - x) * (_number(1) + x)))


def arccosine(x: Any) -> Any:
    """Acos: 2 atan(sqrt((1 - x) / (1 + x)))."""
    return _number(2) * arctangent(tirx.sqrt((_number(1) - x) / (_number(1) + x)))


def _half_exp(x: Any) -> Any:
    """exp(x) / 2, which is finite a little further than exp(x)."""
    return tirx.exp(x - _number(math.log(2)))


def hyperbolic_sine(x: Any) -> Any:
    """Sinh."""
    return _odd(x, (1.0, 1 / 6, 1 / 120, 1 / 5040), lambda s: _half_exp(s) - _half_exp(-s))


def hyperbolic_cosine(x: Any) -> Any:
    """Cosh."""
    return _half_exp(x) + _half_exp(-x)


def inverse_hyperbolic_sine(x: Any) -> Any:
    """Asinh: log(2 |x|) where the square would be infinite."""

    def rest(size: Any) -> Any:
        large = tirx.log(size) + _number(math.log(2))
        some = tirx.log(size + tirx.sqrt(size * size + _number(1)))
        return tirx.Select(size > _number(1e9), large, some)

    return _odd(x, (1.0, -1 / 6, 3 / 40, -15 / 336, 105 / 3456), rest)


def inverse_hyperbolic_cosine(x: Any) -> Any:
    """Acosh; NaN below 1."""
    one = _number(1)
    large = tirx.log(x) + _number(math.log(2))
    some = tirx.log(x + tirx.sqrt(x - one) * tirx.sqrt(x + one))
    return tirx.Select(x > _number(1e9), large, some)


def inverse_hyperbolic_tangent(x: Any) -> Any:
    """Atanh."""
    one, half = _number(1), _number(0.5)
    return _odd(
        x,
        (1.0, 1 / 3, 1 / 5, 1 / 7, 1 / 9, 1 / 11),
        lambda s: half * tirx.log((one + s) / (one - s)),
    )


def tangent(x: Any) -> Any:
    """Tan."""
    return tirx.sin(x) / tirx.cos(x)
