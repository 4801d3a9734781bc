"""Integer inputs are narrowed just so far that nothing leaves int32 or its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from jitweb.errors import JitwebError
from jitweb.onnx.ranges import Interval, integers_of
from jitweb.onnx.simplify import simplify
from tests.jitweb.onnx.models import computed, model_of, node

IDS = {"i": np.zeros((1, 4), np.int64)}
TABLE = {"table": np.ones((10, 3), np.float32)}
MOST = 2**31 - 1
IS_ONE = node("Equal", ["i", "one"], ["b"])
ONE, AXIS = {"one": np.array(1)}, {"axis": np.array(1)}
FOUR = {"four": np.full((4, 4), 4)}
LOOK_UP = node("Gather", ["table", "n"], ["y"])
ONE_BY_ONE, LAST = node("Unsqueeze", ["i", "last"], ["u"]), {"last": np.array([-1])}
PADDED, ZERO = node("Where", ["b", "zero", "i"], ["n"]), {"zero": np.array(0)}
UP_TO_9 = {"i": (-(2**31), 9)}  # what is less is not looked up
COUNTED = node("CumSum", ["i", "axis"], ["sum"])


@pytest.mark.parametrize(
    ("nodes", "weights", "ranges"),
    [
        ([node("Gather", ["table", "i"], ["y"])], TABLE, {"i": (-10, 9)}),
        ([node("Add", ["i", "one"], ["n"]), LOOK_UP], {**TABLE, **ONE}, {"i": (-11, 8)}),
        (
            [COUNTED, node("Sub", ["sum", "one"], ["n"]), LOOK_UP],
            {**TABLE, **ONE, **AXIS},
            {"i": (-2, 2)},
        ),
        ([ONE_BY_ONE, node("GatherND", ["table", "u"], ["y"])], {**TABLE, **LAST}, {"i": (-10, 9)}),
        (
            [node("ScatterElements", ["table", "i", "f"], ["y"])],
            {**TABLE, "f": np.ones((1, 4), np.float32)},
            {"i": (-10, 9)},
        ),
        ([node("Less", ["i", "zero"], ["b"]), PADDED, LOOK_UP], {**TABLE, **ZERO}, UP_TO_9),
        (
            [
                node("GreaterOrEqual", ["i", "zero"], ["c"]),
                node("Not", ["c"], ["b"]),
                PADDED,
                LOOK_UP,
            ],
            {**TABLE, **ZERO},
            UP_TO_9,
        ),
        (
            [node("Equal", ["pad", "i"], ["b"]), PADDED, LOOK_UP],
            {**TABLE, **ZERO, "pad": np.array(-100)},
            UP_TO_9,
        ),
        ([node("Mul", ["i", "i"], ["y"])], {}, {"i": (-46340, 46340)}),
        ([node("Add", ["i", "i"], ["y"])], {}, {"i": (-(2**30), 2**30 - 1)}),
        ([node("Neg", ["i"], ["y"])], {}, {"i": (-MOST, MOST)}),
        ([node("Abs", ["i"], ["a"]), node("Max", ["a", "one"], ["y"])], ONE, {"i": (-MOST, MOST)}),
        ([node("ReduceProd", ["i"], ["y"], keepdims=0)], {}, {"i": (-215, 215)}),
        ([node("ReduceSumSquare", ["i"], ["y"], keepdims=0)], {}, {"i": (-23170, 23170)}),
        ([node("ReduceMean", ["i"], ["y"], keepdims=0)], {}, {"i": (-(2**29), 2**29 - 1)}),
        ([node("ReduceSum", ["i", "axis_0"], ["y"])], {"axis_0": np.array([0])}, {}),
        ([node("Sum", ["i", "i"], ["y"])], {}, {"i": (-(2**30), 2**30 - 1)}),
        ([node("MatMul", ["i", "four"], ["y"])], FOUR, {"i": (-(2**27) + 1, 2**27 - 1)}),
        (
            [node("Einsum", ["i", "four"], ["y"], equation="bi,ij->bj")],
            FOUR,
            {"i": (-(2**27) + 1, 2**27 - 1)},
        ),
        (
            [node("ScatterElements", ["i", "places", "i"], ["y"], axis=1, reduction="add")],
            {"places": np.zeros((1, 4), np.int64)},
            {"i": (-429496729, 429496729)},
        ),
        ([node("Div", ["i", "minus"], ["y"])], {"minus": np.array(-1)}, {"i": (-MOST, MOST)}),
        ([node("Div", ["i", "one"], ["y"])], ONE, {}),
        ([node("Min", ["i", "one"], ["m"]), node("Add", ["m", "one"], ["y"])], ONE, {}),
        ([node("Clip", ["i", "one", "one"], ["c"]), node("Mul", ["c", "c"], ["y"])], ONE, {}),
        ([node("Reshape", ["i", "flat"], ["y"])], {"flat": np.array([-1])}, {}),
        ([IS_ONE, node("Cast", ["b"], ["n"], to=7), LOOK_UP], {**TABLE, **ONE}, {}),
    ],
)  # fmt: skip
def test_ranges_follow_from_what_is_computed(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], ranges: dict[str, Interval]
) -> None:
    model = simplify(model_of(nodes, IDS, [nodes[-1].output[0]], weights))
    assert integers_of(model, may_be_wide=False).ranges == ranges


def test_computed_indices_are_cut_to_their_tables(tmp_path: Path) -> None:
    """Where no input can be checked for them, no kernel reads other memory."""
    places = np.array([[-20.0, 0.0, 1e9, 12.0]], np.float32)
    nodes = [
        node("Cast", ["x"], ["i"], to=7),
        node("Gather", ["table", "i"], ["y"]),
        node("Unsqueeze", ["i", "last"], ["u"]),
        node("Concat", ["u", "u"], ["two"], axis=-1),
        node("GatherND", ["table", "two"], ["z"]),
    ]
    rows = np.arange(30, dtype=np.float32).reshape(10, 3)
    model = model_of(nodes, {"x": places}, ["y", "z"], {"table": rows, **LAST})
    found = computed(model, {"x": places}, tmp_path)
    assert found["y"][0, :, 0].tolist() == [0, 0, 27, 27]
    assert found["z"].tolist() == [[0, 0, 29, 29]]


def test_a_value_that_never_fits_is_refused() -> None:
    big = {"big": np.array(2**31 - 1), "one": np.array(1)}
    nodes = [
        node("Max", ["i", "big"], ["m"]),
        node("Add", ["m", "one"], ["y"], name="too_much"),
    ]
    model = simplify(model_of(nodes, IDS, ["y"], big))
    with pytest.raises(JitwebError, match=r"too_much \(Add\) computes integers that int32"):
        integers_of(model, may_be_wide=False)


def test_what_is_cast_from_a_float_is_bounded_before_it_is_computed_with() -> None:
    inputs, ends = {"x": np.zeros((2, 3), np.float32)}, {"zero": np.array(0), "most": np.array(99)}
    cast, square = node("Cast", ["x"], ["n"], to=7), node("Mul", ["n", "n"], ["y"], name="square")
    with pytest.raises(
        JitwebError, match=r"square \(Mul\) computes integers .* bound them by Clip"
    ):
        integers_of(simplify(model_of([cast, square], inputs, ["y"], {})), may_be_wide=False)
    clip = node("Clip", ["n", "zero", "most"], ["c"])
    square = node("Mul", ["c", "c"], ["y"])
    model = simplify(model_of([cast, clip, square], inputs, ["y"], ends))
    assert integers_of(model, may_be_wide=False).ranges == {}
