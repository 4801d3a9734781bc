"""Exports the model zoo's combinations: PyTorch to ONNX, with inputs and onnxruntime's outputs.

    python benchmarks/zoo_exports.py FOLDER NAME...

writes for each NAME (``architecture.form``) FOLDER/NAME.onnx, NAME.npz (three sets of inputs, what
onnxruntime returned for them, and, of a quantised model, what its origin in float32 did) and
NAME.json (the shapes to ask for, or why it failed).
It needs torch, transformers, onnxscript and onnxruntime, and nothing of this project but the list;
merged decoders need optimum and optimum-onnx too (`pip install --no-deps`, as they ask for an older
transformers).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import onnx
import onnxruntime
import torch
from zoo_architectures import ARCHITECTURES, PAST, SEQUENCE, SOURCE, Architecture, Input
from zoo_list import FORMS, QUANTISED, Form

SETS = 3


class Flat(torch.nn.Module):
    """A model of positional tensors in and out; caches are flattened to a tensor each."""

    def __init__(
        self,
        model: Any,
        names: Sequence[str],
        outputs: Sequence[str],
        layers: int,
        past: bool = True,
        cross: bool = False,
    ):
        super().__init__()
        self.model, self.names, self.outputs, self.layers = model, names, outputs, layers
        self.has_past, self.cross = past, cross

    def forward(self, *tensors: Any) -> Any:
        arguments = dict(zip(self.names, tensors, strict=True))
        if self.layers:
            from transformers import DynamicCache, EncoderDecoderCache

            sides = [DynamicCache() for _ in _sides(self.cross)]
            past = EncoderDecoderCache(*sides) if self.cross else sides[0]
            for layer in range(self.layers if self.has_past else 0):
                for side, text in zip(sides, _sides(self.cross), strict=True):
                    parts = (arguments.pop(f"past.{layer}{text}.{part}") for part in PARTS)
                    side.update(*parts, layer)
                if self.cross:
                    past.is_updated[layer] = True
            arguments |= {"past_key_values": past, "use_cache": True}
        result = self.model(**arguments, return_dict=True)
        found = [result[name] for name in self.outputs]
        for layer in range(self.layers):
            for side in sides[: None if not self.has_past else 1]:
                found += [side.layers[layer].keys, side.layers[layer].values]
        return tuple(found) if len(found) > 1 else found[0]


PARTS = ("key", "value")


def _sides(cross: bool) -> tuple[str, ...]:
    """What is cached, in the names of a layer's inputs: by the decoder, and of the source."""
    return (".decoder", ".encoder") if cross else ("",)


def with_cache(architecture: Architecture) -> tuple[dict[str, Input], list[str]]:
    """Inputs and outputs of a decoder's step that takes a cache and returns a longer one."""
    assert architecture.cache is not None
    heads, size = architecture.cache
    inputs = dict(architecture.inputs)
    open_axes = {0: "batch", 1: "total"}
    if "attention_mask" in inputs:
        inputs["attention_mask"] = Input("mask", (1, PAST + SEQUENCE), open_axes)
    outputs = list(architecture.outputs)
    for layer in range(2):
        for side in _sides(architecture.cross):
            length, axis = (SOURCE, "source") if side == ".encoder" else (PAST, "past")
            for part in PARTS:
                axes = {0: "batch", 2: axis}
                inputs[f"past.{layer}{side}.{part}"] = Input(
                    "floats", (1, heads, length, size), axes
                )
                outputs.append(f"present.{layer}{side}.{part}")
    return inputs, outputs


def export(name: str, path: Path) -> tuple[dict[str, Input], dict[str, str]]:
    """Write the export; returns its inputs, and the shapes that it leaves open."""
    kind, _, form_name = name.partition(".")
    architecture, form = ARCHITECTURES[kind], FORMS[form_name]
    torch.manual_seed(0)
    model = architecture.make(form.attention)
    inputs, outputs = dict(architecture.inputs), list(architecture.outputs)
    if form.cache:
        inputs, outputs = with_cache(architecture)
    elif architecture.cache:
        model.config.use_cache = False
    if form.precision == "float16-torch":
        model = model.half()
    flat = Flat(model, list(inputs), architecture.outputs, 2 if form.cache else 0).eval()
    random = np.random.default_rng(0)
    tensors = tuple(torch.from_numpy(each.draw(random)) for each in inputs.values())
    if form.precision == "float16-torch":
        tensors = tuple(each.half() if each.is_floating_point() else each for each in tensors)
    _torch_export(flat, tensors, inputs, outputs, form, path)
    if form.precision in QUANTISED:
        shutil.copy(path, _origin(path))
    for step in form.after:
        AFTER[step](path, architecture, inputs)
    opened = {key: "x".join(map(str, each.shape)) for key, each in inputs.items() if form.open}
    return inputs, opened


def _origin(path: Path) -> Path:
    """Where the model is kept while it is quantised."""
    return path.with_suffix(".origin.onnx")


def _torch_export(
    flat: Flat,
    tensors: tuple[Any, ...],
    inputs: Mapping[str, Input],
    outputs: list[str],
    form: Form,
    path: Path,
) -> None:
    common = {
        "input_names": list(inputs), "output_names": outputs, "opset_version": form.opset,
        "verbose": False,
    }  # fmt: skip
    with torch.no_grad():
        if form.exporter == "legacy":
            axes = {key: dict(each.open) for key, each in inputs.items()} if form.open else None
            torch.onnx.export(flat, tensors, str(path), dynamo=False, dynamic_axes=axes, **common)
            return
        shapes = None
        if form.open:
            shapes = tuple(
                {
                    place: torch.export.Dim.DYNAMIC
                    for place, axis in each.open.items()
                    if axis != "batch"
                }
                for each in inputs.values()
            )
        program = torch.onnx.export(
            flat, tensors, dynamo=True, dynamic_shapes=(shapes,) if shapes else None, **common
        )
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]
    onnx.save(model, path)


def export_merged(name: str, path: Path) -> tuple[list[dict[str, np.ndarray]], dict[str, str]]:
    """Write a merged decoder; returns inputs, by turns without and with a cache, and shapes.

    Without a cache the sequence is SEQUENCE long, with one it is one token.
    """
    from optimum.onnx import merge_decoders

    kind, _, form_name = name.partition(".")
    architecture, form = ARCHITECTURES[kind], FORMS[form_name]
    torch.manual_seed(0)
    model = architecture.make(form.attention)
    whole, outputs = with_cache(architecture)
    first = dict(architecture.inputs)
    lengths = {"input_ids": 1, "attention_mask": PAST + 1}
    step = {
        key: Input(each.kind, (1, lengths[key]), each.open) if key in lengths else each
        for key, each in whole.items()
    }
    random, paths = np.random.default_rng(0), []
    for part, inputs in (("first", first), ("step", step)):
        has_past = part == "step"
        flat = Flat(model, list(inputs), architecture.outputs, 2, has_past, architecture.cross)
        tensors = tuple(torch.from_numpy(each.draw(random)) for each in inputs.values())
        paths.append(path.with_suffix(f".{part}.onnx"))
        made = [name for name in outputs if not (has_past and ".encoder." in name)]
        _torch_export(flat.eval(), tensors, inputs, made, form, paths[-1])
    merge_decoders(*paths, save_path=path, strict=False)
    for each in paths:
        each.unlink()
    sets = []
    for number in range(SETS):
        chosen = step if number % 2 else first
        drawn = {key: each.draw(random) for key, each in whole.items()}
        drawn |= {key: each.draw(random) for key, each in chosen.items()}
        sets.append({**drawn, "use_cache_branch": np.array([number % 2 == 1])})
    shapes = {key: "x".join(map(str, each.shape)) for key, each in {**whole, **first}.items()}
    shapes |= {f"use_cache_branch=true:{key}": "x".join(map(str, step[key].shape)) for key in first}
    return sets, shapes


# ------------------------------------------------------------------------- what is done afterwards


def _float16(path: Path, architecture: Architecture, inputs: Mapping[str, Input]) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    onnx.save(convert_float_to_float16(model, keep_io_types=True), path)


def _dynamic(path: Path, architecture: Architecture, inputs: Mapping[str, Input]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(path), str(path), weight_type=QuantType.QInt8)


def _qdq(path: Path, architecture: Architecture, inputs: Mapping[str, Input]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Drawn(CalibrationDataReader):
        def __init__(self) -> None:
            random = np.random.default_rng(1)
            self.sets = [{k: v.draw(random) for k, v in inputs.items()} for _ in range(3)]

        def get_next(self) -> Any:
            return self.sets.pop() if self.sets else None

    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(path), Drawn(), quant_format=QuantFormat.QDQ)
    prepared.unlink()


def _nbits(bits: int) -> Callable[..., None]:
    def quantize(path: Path, architecture: Architecture, inputs: Mapping[str, Input]) -> None:
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        made = MatMulNBitsQuantizer(
            onnx.load(path), bits=bits, block_size=32, is_symmetric=bits == 8
        )
        made.process()
        made.model.save_model_to_file(str(path))

    return quantize


def _optimized(level: str) -> Callable[..., None]:
    def optimize(path: Path, architecture: Architecture, inputs: Mapping[str, Input]) -> None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        model = path.read_bytes()
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    return optimize


def _fused(path: Path, architecture: Architecture, inputs: Mapping[str, Input]) -> None:
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions(architecture.kind)
    options.use_multi_head_attention = architecture.kind in ("bart", "t5", "clip")
    made = optimize_model(
        str(path), architecture.kind, 4, 64, optimization_options=options, opt_level=0
    )
    made.save_model_to_file(str(path))


AFTER: Mapping[str, Callable[..., None]] = {
    "float16": _float16,
    "dynamic": _dynamic,
    "qdq": _qdq,
    "nbits4": _nbits(4),
    "nbits8": _nbits(8),
    "ort-basic": _optimized("ORT_ENABLE_BASIC"),
    "ort-extended": _optimized("ORT_ENABLE_EXTENDED"),
    "ort-fused": _fused,
}


def expected(path: Path, sets: Sequence[Mapping[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """What onnxruntime returns, without optimisations of its own."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    taken = {each.name for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]
    runs = [session.run(None, {k: v for k, v in each.items() if k in taken}) for each in sets]
    return [dict(zip(names, results, strict=True)) for results in runs]


def export_one(name: str, folder: Path) -> None:
    path, facts = folder / f"{name}.onnx", folder / f"{name}.json"
    try:
        if FORMS[name.partition(".")[2]].merged:
            sets, opened = export_merged(name, path)
        else:
            inputs, opened = export(name, path)
            random = np.random.default_rng(7)
            sets = [{key: each.draw(random) for key, each in inputs.items()} for _ in range(SETS)]
        if FORMS[name.partition(".")[2]].precision == "float16-torch":
            sets = [
                {k: v.astype(np.float16) if v.dtype == np.float32 else v for k, v in each.items()}
                for each in sets
            ]
        results = expected(path, sets)
        ends = {"input": sets, "output": results}
        if _origin(path).is_file():
            ends["origin"] = expected(_origin(path), sets)
        taken = {value.name for value in onnx.load(path, load_external_data=False).graph.input}
        arrays = {
            f"{number}.{side}.{key}": array
            for side, runs in ends.items()
            for number, values in enumerate(runs)
            for key, array in values.items()
            if side != "input" or key in taken
        }
        np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        told: dict[str, Any] = {
            "shapes": {k: v for k, v in opened.items() if k.split(":")[-1] in taken}
        }
    except Exception as error:  # an exporter's or onnxruntime's own, whatever it is
        message = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        told = {"error": message}
    _origin(path).unlink(missing_ok=True)
    facts.write_text(json.dumps(told))


def main() -> None:
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for name in names:
        export_one(name, folder)
        print(name, flush=True)


if __name__ == "__main__":
    main()
