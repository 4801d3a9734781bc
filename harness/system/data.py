"""JSON that may come from elsewhere: bounded in length and depth, and of an expected form."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import UnionType
from typing import Any

LONGEST_JSON = 64 << 20  # characters
DEEPEST_JSON = 32
MOST = 1e30  # a greater number counts or times nothing

Form = type | UnionType | Callable[[Any], bool] | list[Any] | tuple[Any, ...] | dict[Any, Any]
"""What a value is to be: of a type; such that a function says yes; a list of one form; a list of
exactly these forms; an object whose known names have these forms, or, under `str`, all names one.
"""


def parse_json(text: str | bytes, longest: int = LONGEST_JSON) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or longer or more deeply nested than what is written here.
    """
    if len(text) > longest:
        raise ValueError(f"it is longer than {longest} characters")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [value]
    for _ in range(DEEPEST_JSON):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return value
    raise ValueError("it is nested too deeply")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def fits(value: Any, form: Form) -> bool:
    """Whether a value parsed from JSON has this form.

    An object may have names that the form doesn't know, and lack those that it knows.
    """
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return False
        if str in form:
            return all(fits(each, form[str]) for each in value.values())
        return all(fits(value[name], each) for name, each in form.items() if name in value)
    if isinstance(form, list):
        return isinstance(value, list) and all(fits(each, form[0]) for each in value)
    if isinstance(form, tuple):
        same = isinstance(value, list) and len(value) == len(form)
        return same and all(map(fits, value, form))
    if isinstance(form, type | UnionType):
        return isinstance(value, form) and (not isinstance(value, bool) or form is bool)
    return form(value)


def is_count(value: Any) -> bool:
    """Whether it is an integer from 0 that SQLite holds, too."""
    return type(value) is int and 0 <= value < 1 << 63


def is_amount(value: Any) -> bool:
    """Whether it is a number from 0, and no more than anything could be."""
    return type(value) in (int, float) and 0 <= value <= MOST  # NaN is not
