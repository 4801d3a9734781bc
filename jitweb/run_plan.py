"""What a plan makes of inputs, kernel by kernel, without a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jitweb.kernel_reference import run_function
from jitweb.model import ImportedModel
from jitweb.plan import Weight
from jitweb.space.emit import function_at


def model_at(model: ImportedModel, length: int | None) -> ImportedModel:
    """What a model of an open length is at one, without it; None is the most."""
    functions = {key: function_at(each, length) for key, each in model.functions.items()}
    return replace(model, plan=model.plan.at(length), functions=functions)


Evaluator = Callable[[Any, Sequence[np.ndarray]], Sequence[np.ndarray]]


def run_plan(
    model: ImportedModel, inputs: Mapping[str, np.ndarray], evaluator: Evaluator = run_function
) -> dict[str, np.ndarray]:
    """What the plan makes of these inputs.

    The evaluator computes a function's outputs from its inputs; by default it is NumPy: see
    kernel_reference.py. It works on the slots as the runtime does, so that a slot reused too early
    shows.
    """
    plan = model.plan
    slots: list[np.ndarray] = [np.zeros(size, np.uint8) for size in plan.slots]
    shapes = {key: task.shapes for key, task in plan.tasks.items()}
    for tensor in plan.inputs:
        stored = np.asarray(inputs[tensor.name]).astype(tensor.stored)
        slots[tensor.slot][: stored.nbytes] = stored.reshape(-1).view(np.uint8)
    for call in plan.calls:
        function = model.functions[call.task]
        parameters = list(function.params)
        arguments = []
        for operand, shape, parameter in zip(call.args, shapes[call.task], parameters, strict=True):
            if isinstance(operand, Weight):
                arguments.append(model.weights[operand.name])
            else:
                dtype = np.dtype(str(parameter.ty.dtype))
                count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
                arguments.append(slots[operand.index][:count].view(dtype).reshape(shape))
        writes = plan.tasks[call.task].writes
        results = evaluator(function, arguments[: writes[0]])
        for position, result in zip(writes, results, strict=True):
            arguments[position][...] = result
    outputs = {}
    for tensor in plan.outputs:
        dtype = np.dtype(tensor.stored)
        count = int(np.prod(tensor.shape, dtype=np.int64)) * dtype.itemsize
        held = slots[tensor.slot][:count].view(dtype).reshape(tensor.shape)
        outputs[tensor.name] = held.astype(tensor.dtype)
    return outputs
