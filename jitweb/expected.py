"""What a bundle is verified by: inputs, and the outputs of the oracles that can run the model.

No oracle is always right: onnx.reference errs in BatchNormalization below opset 14, and lacks
onnxruntime's operators. So a second one is asked where the first differs from the plan, and all are
kept, for `verify` to report which said what. onnxruntime takes the least time and is asked first;
onnx.reference, which takes a minute for some models, has a limit where another has answered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from harness import compat
from harness.system.text import first_line
from jitweb.bundle import ExpectedOutputs
from jitweb.check_inputs import chosen, example_inputs, given_arrays, ignored, length_in
from jitweb.compare import TOLERANCE, errors
from jitweb.errors import JitwebError
from jitweb.kernel_reference import run_by_tvm
from jitweb.model import ImportedModel, plan_model
from jitweb.npz import read_npz
from jitweb.onnx.branches import Values
from jitweb.onnx.ranges import Integers
from jitweb.onnx.read import read_onnx
from jitweb.onnx.reference import evaluator
from jitweb.onnx.simplify import simplify
from jitweb.onnx.weights import with_floats
from jitweb.onnx.widen import is_short
from jitweb.run_plan import model_at, run_plan
from jitweb.variants import ImportedVariant

Arrays = Mapping[str, np.ndarray]
SIMPLIFIED = ", after simplification"
PLAN = "NumPy, kernel by kernel"
REFERENCE_S = 15.0  # for onnx.reference as a second opinion


def expected_outputs(
    path: Path,
    shapes: Mapping[str, Sequence[int]],
    imported: ImportedModel,
    given: Path | None = None,
    values: Values | None = None,
    others: AbstractSet[str] = frozenset(),
) -> ExpectedOutputs:
    """Inputs, and the outputs expected for them, by the oracle that computed them.

    `given` is an .npz file of the user's with inputs, and perhaps the outputs, which are then what
    is expected; without it the inputs are drawn. `others` are inputs that it may hold besides.

    Raises:
        JitwebError: no oracle can run the model, or the file is not of this model.
    """
    plan, results = imported.plan, dict[str, np.ndarray]()
    if given is None:
        inputs = example_inputs(plan.inputs, plan.when)
    else:
        inputs, results = given_arrays(given, plan.inputs, plan.outputs, others)
    if given is not None and results:
        return ExpectedOutputs(inputs, {given.name: results})
    original = read_onnx(path, shapes, values)
    return ExpectedOutputs(inputs, _Oracles(original, inputs, imported).asked())


def expected_of_variants(
    path: Path, variants: Sequence[ImportedVariant], given: Path | None = None
) -> list[ExpectedOutputs]:
    """What is expected of each variant; a file of inputs is for the one that they choose.

    Raises:
        JitwebError: as `expected_outputs` does.
    """
    plans, arrays = [each.model.plan for each in variants], dict[str, np.ndarray]()
    number = -1
    if given is not None:
        arrays = read_npz(given)
        number = chosen(plans, arrays)
    checks = []
    for place, each in enumerate(variants):
        opening, own = plans[place].open, given if place == number else None
        lengths: Sequence[int | None] = (None,) if opening is None else opening.checked
        if opening is not None and own is not None:
            lengths = (length_in(plans[place].inputs, arrays),)
        for length in lengths:
            check = expected_outputs(
                path, each.setting.shapes_at(length), model_at(each.model, length), own,
                each.setting.values, ignored(plans, place),
            )  # fmt: skip
            checks.append(replace(check, variant=place, length=length))
    return checks


class _Oracles:
    """Asks the oracles, the quickest first, until one agrees with the plan."""

    def __init__(self, original: onnx.ModelProto, inputs: Arrays, imported: ImportedModel) -> None:
        # The oracles round to 16 bits after each operator, which is not what is to be verified.
        self.suffix = SIMPLIFIED if is_short(original) else ""
        self.model = _standard(original) if self.suffix else original
        # A variant's condition is fixed in what the oracles run.
        self.known = {name: each for name, each in inputs.items() if name not in imported.plan.when}
        self.inputs, self.imported = inputs, imported
        self.found: dict[str, Arrays] = {}
        self.problem = ""

    def asked(self) -> Mapping[str, Arrays]:
        """The outputs of each that was asked and can run the model.

        Raises:
            JitwebError: none can.
        """
        reference = f"onnx.reference {onnx.__version__}"
        runtime = _onnxruntime()
        knows = runtime is not None and self._ask(
            f"onnxruntime {runtime.__version__}{self.suffix}", _by_onnxruntime, self.model
        )
        ours = self._result(lambda: run_plan(self.imported, self.inputs)) if knows else None
        if knows and self._is_agreed(ours):
            return self.found
        end = time.monotonic() + REFERENCE_S if knows else math.inf
        by_reference = partial(_by_reference, end=end)
        if not self._ask(reference + self.suffix, by_reference, self.model):
            self._ask(reference + SIMPLIFIED, by_reference, None)
        if knows:
            return self.found
        ours = self._result(lambda: run_plan(self.imported, self.inputs))
        if self.found and self._is_agreed(ours):
            return self.found
        by_tvm = partial(_by_tvm, integers=Integers({}, self.imported.wide))
        tvm = f"TVM {compat.tvm_version()} on the processor"
        if self.found and not self._ask(tvm + self.suffix, by_tvm, self.model):
            self._ask(tvm + SIMPLIFIED, by_tvm, None)
        if not self.found and ours is not None:
            self.found[PLAN] = ours
        if not self.found:
            raise JitwebError(f"no oracle can run the model: {self.problem}")
        return self.found

    def _is_agreed(self, ours: Arrays | None) -> bool:
        """Whether what was found is the plan's, or the plan can't be run here to ask that."""
        return ours is None or all(_agree(ours, each) for each in self.found.values())

    def _ask(
        self,
        name: str,
        oracle: Callable[[onnx.ModelProto, Arrays], Arrays],
        model: onnx.ModelProto | None,
    ) -> bool:
        """Whether an oracle can run the model, None being the simplified one."""
        found = self._result(
            lambda: oracle(_standard(self.model) if model is None else model, self.known)
        )
        if found is not None:
            self.found[name] = found
        return found is not None

    def _result(self, run: Callable[[], Arrays]) -> Arrays | None:
        try:
            return run()
        except Exception as error:  # whatever an operator's implementation raises
            self.problem = self.problem or first_line(error)
            return None


def _standard(model: onnx.ModelProto) -> onnx.ModelProto:
    return with_floats(simplify(model))


def _onnxruntime() -> Any | None:
    """Its module, where it is installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return onnxruntime


def _agree(found: Arrays, wanted: Arrays) -> bool:
    return all(
        found[name].shape == array.shape
        and np.max(errors(found[name], array), initial=0.0) <= TOLERANCE
        for name, array in wanted.items()
    )


def _by_onnxruntime(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    onnxruntime = _onnxruntime()
    assert onnxruntime is not None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return _named(model, session.run(None, dict(inputs)))


def _by_reference(model: onnx.ModelProto, inputs: Arrays, end: float = math.inf) -> Arrays:
    with np.errstate(all="ignore"):
        return _named(model, list(evaluator(model, end).run(None, dict(inputs))))


def _by_tvm(model: onnx.ModelProto, inputs: Arrays, integers: Integers) -> Arrays:
    """By TVM's import of the model as it is, and its plain build of every kernel."""
    return run_plan(plan_model("model", model, integers), inputs, run_by_tvm)


def _named(model: onnx.ModelProto, results: Sequence[object]) -> Arrays:
    names = [value.name for value in model.graph.output]
    return {name: np.asarray(each) for name, each in zip(names, results, strict=True)}
