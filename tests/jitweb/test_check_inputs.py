"""Inputs that a model is verified with are of the kind that it is made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jitweb.check_inputs import example_inputs, given_arrays
from jitweb.errors import JitwebError
from jitweb.plan import Tensor


def tensor(name: str, *shape: int, dtype: str = "int64", **more: tuple[int, int]) -> Tensor:
    return Tensor(name, dtype, "int32" if dtype == "int64" else dtype, shape, 0, **more)


DECODER = [
    tensor("input_ids", 2, 4, range=(-7, 6)),
    tensor("attention_mask", 2, 12),
    tensor("position_ids", 2, 4),
    tensor("token_type_ids", 2, 4, range=(-2, 1)),
    tensor("past_key_values.0.key", 2, 2, 8, 3, dtype="float32"),
    tensor("past_sequence_length", 1, dtype="int32"),
]


def test_a_mask_has_padding_and_attends_to_something_in_every_row() -> None:
    for mask in (
        tensor("attention_mask", 3, 16),
        tensor("mask", 1, 1, 8, 8, dtype="bool"),
        tensor("decoder_attention_mask", 2, 5, dtype="float32"),
    ):
        drawn = example_inputs([mask])[mask.name]
        assert drawn.dtype == mask.dtype and set(np.unique(drawn)) == {0, 1}
        assert drawn[..., 0].all() and (np.diff(drawn.astype(int), axis=-1) <= 0).all()
    assert example_inputs([tensor("attention_mask", 1, 1)])["attention_mask"].item() == 1


def test_positions_count_on_from_the_cache() -> None:
    drawn = example_inputs(DECODER)
    np.testing.assert_array_equal(drawn["position_ids"], [[8, 9, 10, 11]] * 2)
    assert drawn["past_sequence_length"] == [8]
    short = tensor("position_ids", 1, 4, range=(0, 2))
    np.testing.assert_array_equal(example_inputs([short])["position_ids"], [[0, 1, 2, 2]])


def test_ids_are_of_the_whole_table_and_segments_are_two() -> None:
    drawn = example_inputs([tensor("input_ids", 1, 500, range=(-7, 6)), *DECODER[3:]])
    assert set(drawn["input_ids"].ravel()) == set(range(7))
    np.testing.assert_array_equal(drawn["token_type_ids"], [[0, 0, 1, 1]] * 2)
    assert np.std(drawn["past_key_values.0.key"]) > 0.5


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"ids": [[1, 2]]}, "the input mask is missing: int64 1x2"),
        ({"ids": [[1, 9]], "mask": [[1, 1]]}, "the input ids holds 9; it must be from -4 to 3"),
        ({"ids": [[1, 2]], "mask": [[1, 2**40]]}, f"the input mask holds {2**40}"),
        ({"ids": [[1.5, 2]], "mask": [[1, 1]]}, "the input ids is float64, must be int64 1x2"),
        ({"ids": [[1, 2]], "mask": [[1, 1]], "y": [[1]]}, "the output y is 1x1, and must be"),
        ({"ids": [[1, 2]], "mask": [[1, 1]], "z": [[1]]}, "the model has no input z"),
    ],
)
def test_arrays_that_are_not_of_the_model_are_refused_with_their_name(
    arrays: dict[str, list[list[float]]], words: str, tmp_path: Path
) -> None:
    made = {name: np.array(each) for name, each in arrays.items()}
    np.savez(tmp_path / "x.npz", **made)  # type: ignore[arg-type]
    inputs = [tensor("ids", 1, 2, range=(-4, 3)), tensor("mask", 1, 2)]
    with pytest.raises(JitwebError, match=f"x.npz: {words}"):
        given_arrays(tmp_path / "x.npz", inputs, [tensor("y", 1, 2, dtype="float32")])
