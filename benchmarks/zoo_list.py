"""The list of the model zoo: which architectures in which forms. This fixes the denominator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """A way in which a model reaches us: the exporter with its settings, and what follows.

    `open` leaves batch and sequence symbolic, `cache` is a decoder's step with past keys, values;
    `merged` is that and the decoder without a cache in one file, as Optimum merges them.
    """

    exporter: str  # torch's: legacy or dynamo
    attention: str  # eager or sdpa
    opset: int
    open: bool = False
    cache: bool = False
    merged: bool = False
    precision: str = "float32"
    after: tuple[str, ...] = ()


FORMS: Mapping[str, Form] = {
    "legacy-eager-14": Form("legacy", "eager", 14, open=True),
    "legacy-sdpa-17": Form("legacy", "sdpa", 17, open=True),
    "legacy-eager-18-static": Form("legacy", "eager", 18),
    "legacy-sdpa-20-static": Form("legacy", "sdpa", 20),
    "dynamo-eager-18": Form("dynamo", "eager", 18),
    "dynamo-sdpa-20": Form("dynamo", "sdpa", 20),
    "dynamo-sdpa-21-open": Form("dynamo", "sdpa", 21, open=True),
    "dynamo-eager-23": Form("dynamo", "eager", 23),
    "dynamo-sdpa-23": Form("dynamo", "sdpa", 23),
    "legacy-eager-14-cache": Form("legacy", "eager", 14, open=True, cache=True),
    "dynamo-sdpa-20-cache": Form("dynamo", "sdpa", 20, cache=True),
    "legacy-eager-14-merged": Form("legacy", "eager", 14, open=True, cache=True, merged=True),
    "float16": Form("legacy", "eager", 17, open=True, precision="float16", after=("float16",)),
    "int8-dynamic": Form("legacy", "eager", 17, open=True, precision="int8", after=("dynamic",)),
    "int8-qdq": Form("legacy", "eager", 17, open=True, precision="int8", after=("qdq",)),
    "nbits4": Form("legacy", "eager", 17, open=True, precision="nbits", after=("nbits4",)),
    "ort-basic": Form("legacy", "eager", 17, open=True, after=("ort-basic",)),
    "ort-extended": Form("legacy", "eager", 17, open=True, after=("ort-extended",)),
    "ort-fused": Form("legacy", "eager", 17, open=True, after=("ort-fused",)),
}

QUANTISED = ("int8", "nbits")  # the precisions that are further from float32 than rounding

ENCODERS = (
    "bert", "distilbert", "roberta", "deberta-v2", "mpnet", "modernbert", "clip-text",
    "clip-vision", "vit", "whisper-encoder", "whisper-decoder", "t5-encoder", "t5-decoder",
    "bart-encoder", "bart-decoder",
)  # fmt: skip
DECODERS = ("gpt2", "llama", "qwen3", "gemma3")  # which have a cache
CROSS = ("whisper-decoder", "t5-decoder", "bart-decoder")  # merged, with one of the source as well


def combinations() -> list[str]:
    """All names, ``architecture.form``."""
    return [
        f"{architecture}.{name}"
        for architecture in (*ENCODERS, *DECODERS)
        for name, form in FORMS.items()
        if not form.cache or architecture in DECODERS or (form.merged and architecture in CROSS)
    ]
