"""What a kernel computes, in the words of the field, from TVM's name of a fused function."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from jitweb.plan import Task

NAMED = {
    "take": "gather", "fakequantize": "quantize", "concatenate": "concat",
    "gatherelements": "gather elements", "multiply": "mul", "divide": "div", "subtract": "sub",
    "negative": "neg", "power": "pow",
}  # fmt: skip
PHRASES = {
    "te ": "", "strided slice": "slice", "expand dims": "unsqueeze", "broadcast to": "expand",
    "logical ": "",
}  # fmt: skip
OF_TWO_WORDS = ("layer norm", "rms norm", "group norm", "gather elements", "log softmax")
PLAIN = ("reshape", "tir")  # words that say little beside others
PRODUCTS = ("matmul", "batched-matmul")
SUMS = (*PRODUCTS, "convolution")
SUM_WORDS = ("matmul", "d")  # the latter of conv2d
# What an activation is made of: where all of it is there, it is that; the first that fits.
ACTIVATIONS = {
    "gelu": {"erf", "mul", "add"}, "gelu (tanh)": {"pow", "tanh", "mul", "add"},
    "silu": {"sigmoid", "mul"},
}  # fmt: skip
PARTS = {"erf", "tanh", "sigmoid", "pow", "mul", "div", "add"}  # of them, all together


def operators_of(name: str, kind: str) -> list[str]:
    """The operators of a kernel, each once: its sum of products, and what is fused with it."""
    words = re.findall(r"([a-z_]*?[a-z])[0-9]*(?:_|$)", name.removeprefix("fused_"))
    operators = list(dict.fromkeys(NAMED.get(word, word) for word in words))
    operators = [word for word in operators if word not in PLAIN] or operators
    if kind in SUMS:
        named = [word for word in operators if word not in SUM_WORDS]
        operators = [kind, *(named if len(named) < len(operators) else named[1:])]
    return operators or [kind]


def operators_text(operators: Iterable[str]) -> str:
    text = " ".join(operators)
    for raw, plain in PHRASES.items():
        text = text.replace(raw, plain)
    return text


def kernel_text(task: Task) -> str:
    """A kernel in words: operators and extents, such as `matmul 128×768×3072 + add + gelu`.

    A sum of products has its rows, what it sums over and its columns; others have their result's.
    """
    text = operators_text(operators_of(task.name, task.kind))
    for each in OF_TWO_WORDS:
        text = text.replace(each, each.replace(" ", "_"))
    first, *fused = _with_activation(text.split(" "), 1 if task.kind in SUMS else 0)
    return " + ".join([f"{first} {_extents(task)}".rstrip(), *fused]).replace("_", " ")


def _with_activation(operators: list[str], begin: int) -> list[str]:
    """The operators, with those that an activation is made of in one; `begin` of them are not."""
    found = set(operators[begin:])
    for name, parts in ACTIVATIONS.items():
        if parts <= found:
            # A sum of products has an addition of its own, that of the bias.
            left = [each for each in operators if each not in PARTS or (begin and each == "add")]
            return [*left, name]
    return operators


def _extents(task: Task) -> str:
    result = task.shapes[-1] if task.shapes else ()
    extents = [each for each in result if each > 1]
    if task.kind in PRODUCTS and len(result) >= 2:
        summed = round(task.flops / (2 * max(1, math.prod(result))))
        batches = [] if task.kind == "matmul" else [each for each in result[:-2] if each > 1]
        rows = math.prod(result[:-1]) // math.prod(batches)
        extents = [*batches, rows, summed, result[-1]]
    return "×".join(map(str, extents))
