"""The variants of a model: one for each value of the booleans that an If of it hangs on.

A decoder that was merged of one with and one without a cache becomes two. They are imported one
after another into a common store of weights, and equal kernels are one task; so a bundle holds both
without holding anything twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from jitweb.errors import JitwebError
from jitweb.extent import Opening, OpenSize, at_length
from jitweb.merge import lengths_of
from jitweb.model import ImportedModel, aligned, plan_open, plan_simplified
from jitweb.onnx.branches import MOST_KNOWN, Values, conditions, drop_unread, fix_values
from jitweb.onnx.graph import graph_inputs, is_outline, shape_text
from jitweb.onnx.read import (
    example_shapes,
    fix_inputs,
    give_shapes,
    load_onnx,
    longest_sequence,
    shape_options,
)
from jitweb.onnx.simplify import inlined, simplify
from jitweb.plan import Condition, Tensor, condition_text
from jitweb.weight_store import WeightStore

Shapes = Mapping[str, Sequence[int]]
OpenShapes = Mapping[str, Sequence[int | Opening]]  # with a length that is left open


@dataclass(frozen=True)
class Setting:
    """What makes one variant of a model: the shapes and values of its inputs, `when`'s among them.

    `flags` are the inputs that the condition is on.
    """

    when: Condition
    given: OpenShapes
    values: Values
    flags: tuple[onnx.ValueInfoProto, ...] = ()

    @property
    def shapes(self) -> Shapes:
        """The shapes, at the most where a length is open."""
        return self.shapes_at(None)

    def shapes_at(self, length: int | None) -> Shapes:
        """The shapes at a length, None being the most."""
        return {
            name: [
                each if isinstance(each, int) else OpenSize(each, at_length(each.extent(), length))
                for each in shape
            ]
            for name, shape in self.given.items()
        }

    @property
    def opening(self) -> Opening | None:
        """The length that is left open, if there is one.

        Raises:
            JitwebError: there are several.
        """
        every = (each for shape in self.given.values() for each in shape)
        found = list(dict.fromkeys(each for each in every if isinstance(each, Opening)))
        if len(found) > 1:
            listed = " and ".join(f"{each.name}:{each.most}" for each in found)
            raise JitwebError(
                f"--shape leaves several lengths open ({listed}), and can leave one; fix the "
                "others, or give equal ones the same name and most"
            )
        return found[0] if found else None


@dataclass(frozen=True)
class ImportedVariant:
    """A variant, imported."""

    setting: Setting
    model: ImportedModel


def import_variants(
    path: Path, shapes: OpenShapes, targets: Sequence[str], values: Values
) -> list[ImportedVariant]:
    """Import all variants of an ONNX file: one, if no If of it hangs on a boolean input.

    The name of a shape may begin with a condition: see `settings_of`.

    Raises:
        JitwebError: the file or the model can't be used; the message says how to fix it.
    """
    loaded = [load_onnx(path)]
    settings = settings_of(loaded[0], shapes, values)
    openings = [setting.opening for setting in settings]  # or what is wrong with them
    _check_shapes(loaded[0], settings)

    def simplified(setting: Setting, length: int | None) -> onnx.ModelProto:
        model = loaded.pop() if loaded else load_onnx(path)
        fix_inputs(model, setting.shapes_at(length), setting.values)
        made = simplify(model)
        if len(settings) > 1:
            drop_unread(made)
        return made

    store, imported = WeightStore(), []
    for setting, opening in zip(settings, openings, strict=True):
        if opening is None:
            made = simplified(setting, None)
            found = plan_simplified(path.stem, made, targets, store)
        else:
            models = (simplified(setting, length) for length in lengths_of(opening))
            found = plan_open(path.stem, models, opening, targets, store)
        imported.append(ImportedVariant(setting, conditional(found, setting)))
    return imported


def settings_of(model: onnx.ModelProto, shapes: OpenShapes, values: Values) -> list[Setting]:
    """The settings of a model's variants.

    A shape that is for one alone has a name such as `use_cache_branch=true:input_ids`.

    Raises:
        JitwebError: a condition is of no input that decides.
    """
    part = without_weights(model)
    found = conditions(inlined(part) if part.functions else part, values)
    inputs = {value.name: value for value in graph_inputs(part)}
    flags = tuple(inputs[name] for name in found[0])
    fixed = {name: bool(given[0]) for name, given in values.items() if name in inputs}
    return [
        Setting(
            when,
            _shapes_for(shapes, {**fixed, **when}),
            {**values, **{name: (value,) for name, value in when.items()}},
            flags,
        )
        for when in found
    ]


def _shapes_for(shapes: OpenShapes, when: Condition) -> dict[str, Sequence[int | Opening]]:
    """The shapes for a variant, those of its own in the place of those for all."""
    found: dict[str, Sequence[int | Opening]] = {}
    own: dict[str, Sequence[int | Opening]] = {}
    for text, shape in shapes.items():
        condition, colon, name = text.partition(":")
        if not colon or "=" not in condition:
            found[text] = shape
            continue
        pairs = [each.partition("=") for each in condition.split(",")]
        for each, _, value in pairs:
            if each not in when or value not in ("true", "false"):
                known = " and ".join(f"{name}=true or false" for name in when) or "none"
                raise JitwebError(f"--shape {text}: the model's conditions are {known}")
        if all(when[each] is (value == "true") for each, _, value in pairs):
            own[name] = shape
    return found | own


def missing_shapes(model: onnx.ModelProto, settings: Sequence[Setting]) -> dict[str, Sequence[int]]:
    """Examples of the shapes that variants lack, by names as `settings_of` takes them."""
    needed: dict[str, Sequence[int]] = {}
    longest = longest_sequence(model)
    for setting in settings:
        part = without_weights(model)
        give_shapes(part, setting.shapes)
        fix_values(part, setting.values)
        for name, shape in example_shapes(part, longest).items():
            if needed.setdefault(name, shape) != shape:
                needed[f"{condition_text(setting.when)}:{name}"] = shape
    return needed


def missing_text(model: onnx.ModelProto, missing: Shapes) -> str:
    """What to do about missing shapes, in a line."""
    inputs = (value for value in graph_inputs(model) if value.name in missing)
    listing = ", ".join(map(shape_text, inputs))
    return f"fix the shapes of {listing}, for example: {shape_options(missing)}"


def _check_shapes(model: onnx.ModelProto, settings: Sequence[Setting]) -> None:
    """Raises: JitwebError, if a variant lacks a shape; with all that are missing."""
    missing = missing_shapes(model, settings)
    if missing:
        raise JitwebError(missing_text(model, missing))


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without large weights, which a condition is not computed from."""
    part = onnx.ModelProto(ir_version=model.ir_version)
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    part.graph.name = model.graph.name
    part.graph.node.extend(model.graph.node)
    part.graph.input.extend(graph_inputs(model))
    part.graph.output.extend(model.graph.output)
    part.graph.initializer.extend(
        tensor
        for tensor in model.graph.initializer
        if math.prod(tensor.dims) <= MOST_KNOWN and not is_outline(tensor)
    )
    return part


def conditional(model: ImportedModel, setting: Setting) -> ImportedModel:
    """The model as a variant: with the inputs of its condition, which no kernel reads."""
    plan = model.plan
    flags = [
        Tensor(
            value.name,
            "bool",
            "int32",
            tuple(each.dim_value or 1 for each in value.type.tensor_type.shape.dim),
            len(plan.slots) + number,
        )
        for number, value in enumerate(setting.flags)
    ]
    return replace(
        model,
        plan=replace(
            plan,
            inputs=(*plan.inputs, *flags),
            slots=(*plan.slots, *(aligned(4) for _ in flags)),
            when=setting.when,
        ),
    )
