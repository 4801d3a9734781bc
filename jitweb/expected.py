"""What a bundle is verified by: example inputs, and what an oracle computes for them.

The oracles are asked in the order of the table, the most independent of us first, until one can run
the model. onnx.reference lacks onnxruntime's operators, and some of its own fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from harness.system.text import first_line
from jitweb.bundle import ExpectedOutputs
from jitweb.errors import JitwebError
from jitweb.model import ImportedModel, run_plan
from jitweb.onnx.read import read_onnx
from jitweb.onnx.simplify import simplify
from jitweb.onnx.widen import is_short
from jitweb.plan import Tensor

INPUT_SEED = 0
Arrays = Mapping[str, np.ndarray]


def example_inputs(tensors: Iterable[Tensor]) -> dict[str, np.ndarray]:
    """Inputs for a model: normal floats; masks of ones; integers that its tables hold."""
    rng = np.random.default_rng(INPUT_SEED)
    made: dict[str, np.ndarray] = {}
    for tensor in tensors:
        if tensor.dtype.startswith("float"):
            made[tensor.name] = rng.standard_normal(tensor.shape).astype(tensor.dtype)
        elif "mask" in tensor.name or tensor.dtype == "bool":
            made[tensor.name] = np.ones(tensor.shape, tensor.dtype)
        else:
            least, most = tensor.range or (0, 1)
            drawn = rng.integers(max(least, min(0, most)), most, tensor.shape, endpoint=True)
            made[tensor.name] = drawn.astype(tensor.dtype)
    return made


def expected_outputs(
    path: Path, shapes: Mapping[str, Sequence[int]], imported: ImportedModel
) -> ExpectedOutputs:
    """Example inputs, and what the first oracle that can run the model computes from them.

    Raises:
        JitwebError: none can.
    """
    original = read_onnx(path, shapes)
    inputs = example_inputs(imported.plan.inputs)
    oracles: Mapping[str, Callable[[], Arrays]] = {
        f"onnx.reference {onnx.__version__}": lambda: _by_reference(original, inputs),
        f"onnx.reference {onnx.__version__}, after simplification": lambda: _by_reference(
            simplify(original), inputs
        ),
        "NumPy, kernel by kernel": lambda: run_plan(imported, inputs),
    }
    problem = ""
    # The reference rounds to 16 bits after each operator, which is not what is to be verified.
    for source, oracle in list(oracles.items())[1 if is_short(original) else 0 :]:
        try:
            outputs = oracle()
        except Exception as error:  # whatever an operator's implementation raises
            problem = problem or first_line(error)
        else:
            return ExpectedOutputs(inputs, outputs, source)
    raise JitwebError(f"no reference can run the model: {problem}")


def _by_reference(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, dict(inputs))
    names = [value.name for value in model.graph.output]
    return {name: np.asarray(each) for name, each in zip(names, results, strict=True)}
