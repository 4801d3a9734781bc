"""What a model is verified and measured with: arrays of the user's, or drawn by what each input is.

An attention mask has padding, positions count on from the cache, token types are of two segments,
ids are of every table that they index; floats, those of a cache among them, are normal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np

from jitweb.errors import JitwebError
from jitweb.extent import Extent, length_of
from jitweb.npz import read_npz
from jitweb.plan import Condition, Plan, Tensor, Variant, condition_text

INPUT_SEED = 0


def example_inputs(
    tensors: Iterable[Tensor], when: Condition | None = None
) -> dict[str, np.ndarray]:
    """Inputs for a model, in the dtypes that the user passes; the same in every run.

    With a condition they are for the variant that it chooses.
    """
    rng, all_of_them = np.random.default_rng(INPUT_SEED), list(tensors)
    lengths = _lengths(all_of_them)
    made: dict[str, np.ndarray] = {}
    for tensor in all_of_them:
        rule = next((rule for words, rule in RULES if _is_named(tensor, words)), _drawn)
        drawn = rule(tensor, lengths, rng)
        if tensor.range is not None:
            drawn = np.clip(drawn, *tensor.range)
        if when and tensor.name in when:
            drawn = np.array(when[tensor.name])
        made[tensor.name] = np.broadcast_to(drawn, tensor.shape).astype(tensor.dtype)
    return made


def chosen(variants: Sequence[Variant | Plan], arrays: Mapping[str, np.ndarray]) -> int:
    """The number of the variant that inputs are for: the first whose condition they fulfil.

    Raises:
        JitwebError: there is none.
    """
    for number, variant in enumerate(variants):
        values = {name: arrays.get(name) for name in variant.when}
        if all(
            array is not None and array.size == 1 and bool(array.reshape(-1)[0]) is wanted
            for array, wanted in zip(values.values(), variant.when.values(), strict=True)
        ):
            return number
    offered = " or ".join(condition_text(variant.when) for variant in variants)
    raise JitwebError(f"the inputs choose no variant of the model: pass {offered}")


def ignored(variants: Sequence[Variant | Plan], number: int) -> frozenset[str]:
    """The inputs that other variants alone read: a caller may pass them all the same."""
    own = {each.name for each in variants[number].inputs}
    return frozenset(each.name for variant in variants for each in variant.inputs) - own


def length_in(tensors: Sequence[Tensor], arrays: Mapping[str, np.ndarray]) -> int | None:
    """The open length that arrays for these inputs have; None if none of them says.

    Raises:
        JitwebError: it is more than the most.
    """
    for tensor in tensors:
        array = arrays.get(tensor.name)
        if array is None or array.ndim != len(tensor.shape):
            continue
        for extent, side in zip(tensor.shape, array.shape, strict=True):
            length = length_of(extent, side)
            if length is not None:
                return length
            if isinstance(extent, Extent) and side > extent:
                raise JitwebError(f"the input {tensor.name} has {side}; {extent} is the most")
    return None


Lengths = tuple[int, int]  # of the sequence with the cache, and of the cache alone
Rule = Callable[[Tensor, Lengths, np.random.Generator], np.ndarray]


def _lengths(tensors: Sequence[Tensor]) -> Lengths:
    """Read from the attention mask's last axis and that of the ids or the positions."""

    def longest(word: str) -> int:
        named = (each for each in tensors if word in each.name.lower() and each.shape)
        return max((each.shape[-1] for each in named), default=0)

    now = longest("position") or longest("ids")
    whole = max(longest("attention_mask"), now, 1)
    return whole, whole - now if now else 0


def _is_named(tensor: Tensor, words: Sequence[str]) -> bool:
    is_float = tensor.dtype.startswith("float")
    return any(word in tensor.name.lower() and (word == "mask" or not is_float) for word in words)


def _mask(tensor: Tensor, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
    """Ones, then a quarter of zeros at the end of the last axis, of other batches two or three."""
    if not tensor.shape:
        return np.ones(())
    batches = tensor.shape[0] if len(tensor.shape) > 1 else 1
    length = tensor.shape[-1]
    kept = np.maximum(length - length // 4 * (1 + np.arange(batches) % 3), 1)
    ones = np.arange(length) < kept.reshape(-1, *[1] * (len(tensor.shape) - 1))
    return ones if len(tensor.shape) > 1 else ones.reshape(length)


def _positions(tensor: Tensor, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
    return lengths[1] + np.arange(tensor.shape[-1] if tensor.shape else 1)


def _segments(tensor: Tensor, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
    length = tensor.shape[-1] if tensor.shape else 1
    return np.arange(length) >= (length + 1) // 2


def _drawn(tensor: Tensor, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
    if tensor.dtype.startswith("float"):
        return rng.standard_normal(tensor.shape)
    if tensor.dtype == "bool":
        return np.ones(tensor.shape)
    ends = None if tensor.dtype in ("int32", "int64") else np.iinfo(tensor.dtype)
    least, most = tensor.range or ((ends.min, ends.max) if ends else (0, 1))
    least = max(least, min(0, most)) if ends is None else least
    return rng.integers(least, most, tensor.shape, endpoint=True)


# The first whose words an input's name holds; floats are masks alone.
RULES: Sequence[tuple[Sequence[str], Rule]] = (
    (("mask",), _mask),
    (("position",), _positions),
    (("token_type", "segment"), _segments),
    (("seqlens_k",), lambda tensor, lengths, rng: np.array([lengths[0] - 1])),
    (("past_seq", "past_len"), lambda tensor, lengths, rng: np.array([lengths[1]])),
    (("total_seq", "seq_len"), lambda tensor, lengths, rng: np.array([lengths[0]])),
)


def given_arrays(
    path: Path,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    others: AbstractSet[str] = frozenset(),
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The inputs in an .npz file, and what the outputs are to be, empty where it has none of them.

    Inputs of these other names are left out.

    Raises:
        JitwebError: it can't be read, or its arrays are not those of the model.
    """
    arrays = {name: array for name, array in read_npz(path).items() if name not in others}
    names = {each.name for each in outputs} - {each.name for each in inputs}
    results = {name: array for name, array in arrays.items() if name in names}
    try:
        given = arranged({name: arrays[name] for name in arrays if name not in names}, inputs)
        for each in inputs:
            _check_range(each, given[each.name])
        return given, arranged(results, outputs, "output") if results else {}
    except JitwebError as error:
        raise JitwebError(f"{path}: {error}") from None


def _check_range(tensor: Tensor, array: np.ndarray) -> None:
    if array.dtype.kind not in "iu" or not array.size:
        return
    least, most = tensor.range or (np.iinfo(tensor.stored).min, np.iinfo(tensor.stored).max)
    wrong = array[(array < least) | (array > most)]
    if wrong.size:
        raise JitwebError(
            f"the input {tensor.name} holds {wrong[0]}; it must be from {least} to {most}, as the "
            "model's tables and 32-bit integers ask"
        )


def arranged(
    arrays: Mapping[str, np.ndarray], tensors: Sequence[Tensor], what: str = "input"
) -> dict[str, np.ndarray]:
    """The arrays in the order, shapes and dtypes of the model's inputs (or outputs).

    Raises:
        JitwebError: one is missing, is not the model's, or is of another shape or kind of dtype.
    """
    wanted = {each.name: each for each in tensors}
    for name in arrays:
        if name not in wanted:
            raise JitwebError(f"the model has no {what} {name}; it has {', '.join(wanted)}")
    made = {}
    for name, each in wanted.items():
        if name not in arrays:
            raise JitwebError(f"the {what} {name} is missing: {_describe(each)}")
        array = np.asarray(arrays[name])
        if array.shape != each.shape:
            shape = "x".join(map(str, array.shape))
            raise JitwebError(f"the {what} {name} is {shape}, and must be {_describe(each)}")
        if not np.can_cast(array.dtype, each.dtype, "same_kind"):
            raise JitwebError(f"the {what} {name} is {array.dtype}, must be {_describe(each)}")
        made[name] = array.astype(each.dtype)
    return made


def _describe(tensor: Tensor) -> str:
    return f"{tensor.dtype} {'x'.join(map(str, tensor.shape))}"
