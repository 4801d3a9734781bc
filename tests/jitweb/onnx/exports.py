"""Real exports as test data: the graphs of some of the model zoo's, without their weights.

    python -m tests.jitweb.onnx.exports CACHE [NAME]   # the zoo's cache folder; needs onnxruntime

writes exports/NAME.onnx, in which large weights have no data, and NAME.npz with inputs, shapes to
ask for and what onnxruntime returns where the weights are those of `filled`.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

FOLDER = Path(__file__).with_name("exports")
NAMES = (
    "bert.legacy-eager-14", "bert.ort-fused", "deberta-v2.legacy-eager-18-static",
    "gemma3.dynamo-sdpa-23", "llama.legacy-eager-14-cache", "gpt2.int8-dynamic",
)  # fmt: skip
MERGED = "gpt2.legacy-eager-14-merged"  # with two sets of inputs: without and with a cache
CROSS = "t5-decoder.legacy-eager-14-merged"  # the same with a cache of the source, too
LARGE = 64  # elements


def kept(name: str) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, ...]]]:
    """The inputs and outputs that are kept of an export, and the shapes of its inputs."""
    with np.load(FOLDER / f"{name}.npz") as archive:
        arrays = dict(archive)
    sides = json.loads(str(arrays.pop("shapes")))
    return arrays, {key: tuple(map(int, text.split("x"))) for key, text in sides.items()}


def kept_set(name: str, number: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The inputs and the outputs of one of several sets that are kept of an export."""
    arrays, _ = kept(name)
    inputs, outputs = (
        {
            key.removeprefix(f"{number}.{side}."): array
            for key, array in arrays.items()
            if key.startswith(f"{number}.{side}.")
        }
        for side in ("input", "output")
    )
    return inputs, outputs


def filled(path: Path) -> onnx.ModelProto:
    """The model with numbers in its large weights: drawn by their names, so always the same."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if _is_large(tensor):
            random = np.random.default_rng(zlib.crc32(tensor.name.encode()))
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            shape = tuple(tensor.dims)
            if np.issubdtype(dtype, np.integer):
                array = random.integers(-99, 99, shape).astype(dtype)
            else:
                array = (random.standard_normal(shape) / 8).astype(dtype)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


def _is_large(tensor: onnx.TensorProto) -> bool:
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    return tensor.data_type in kinds and int(np.prod(tensor.dims)) >= LARGE


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the data of its large weights taken away."""
    for tensor in model.graph.initializer:
        if _is_large(tensor):
            empty = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type)
            empty.dims.extend(tensor.dims)
            tensor.CopyFrom(empty)
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        for attribute in node.attribute:  # the branches of a merged decoder
            del attribute.g.value_info[:]
            for inner in attribute.g.node:
                inner.doc_string = ""
    return model


def write(name: str, cache: Path) -> None:
    """Write one export without its weights, and what onnxruntime returns for it."""
    import onnxruntime

    model, path = onnx.load(cache / f"{name}.onnx"), FOLDER / f"{name}.onnx"
    onnx.save(without_weights(model), path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        filled(path).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = np.load(cache / f"{name}.npz")
    shapes = json.loads((cache / f"{name}.json").read_text())["shapes"]
    arrays = {"shapes": np.array(json.dumps(shapes))}
    for number in (0, 1) if name in (MERGED, CROSS) else (0,):
        inputs = {e.name: found[f"{number}.input.{e.name}"] for e in session.get_inputs()}
        results = session.run(None, inputs)
        outputs = zip([each.name for each in session.get_outputs()], results, strict=True)
        prefix = f"{number}." if name in (MERGED, CROSS) else ""
        arrays |= {f"{prefix}input.{key}": array for key, array in inputs.items()}
        arrays |= {f"{prefix}output.{key}": array for key, array in outputs}
    np.savez_compressed(path.with_suffix(".npz"), **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in sys.argv[2:] or (*NAMES, MERGED, CROSS):
        write(each, Path(sys.argv[1]))
