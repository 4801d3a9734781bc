"""The architectures of the model zoo: small, with random weights, in PyTorch (transformers).

An architecture makes its model for one kind of attention, and says which inputs it takes and which
outputs it returns. Two layers, hidden 64, a sequence of 8: enough to have every operator of the
real model, and exported in a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEQUENCE, SOURCE, PAST = 8, 12, 4
VOCABULARY = 96
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
ENCODER = {**SMALL, "intermediate_size": 128, "vocab_size": VOCABULARY}
LLM = {**ENCODER, "num_key_value_heads": 2, "max_position_embeddings": 32}


@dataclass(frozen=True)
class Input:
    """What a model takes: `kind` is ids, types, mask or floats; `open` names its open axes."""

    kind: str
    shape: tuple[int, ...]
    open: Mapping[int, str] = field(default_factory=dict)

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """A random value; masks have padding at the end of each row."""
        if self.kind in ("ids", "types"):
            return random.integers(0, VOCABULARY if self.kind == "ids" else 2, self.shape)
        if self.kind == "mask":
            kept = random.integers(self.shape[-1] // 2, self.shape[-1] + 1)
            return np.broadcast_to(np.arange(self.shape[-1]) < kept, self.shape).astype(np.int64)
        return random.standard_normal(self.shape, dtype=np.float32)


@dataclass(frozen=True)
class Architecture:
    """A model with its boundary. `make` takes the kind of attention: eager or sdpa."""

    make: Callable[[str], Any]
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    cache: tuple[int, int] | None = None  # heads and head size of keys and values, in a decoder
    cross: bool = False  # the cache has keys and values of the source, too
    kind: str = "bert"  # as onnxruntime's optimizer names it


TEXT = {0: "batch", 1: "sequence"}
IDS = Input("ids", (1, SEQUENCE), TEXT)
TYPES = Input("types", (1, SEQUENCE), TEXT)
MASK = Input("mask", (1, SEQUENCE), TEXT)
PIXELS = Input("floats", (1, 3, 32, 32), {0: "batch"})
SOURCE_STATES = Input("floats", (1, SOURCE, 64), {0: "batch", 1: "source"})
SOURCE_MASK = Input("mask", (1, SOURCE), {0: "batch", 1: "source"})
DECODER_INPUTS = {
    "input_ids": IDS,
    "encoder_hidden_states": SOURCE_STATES,
    "encoder_attention_mask": SOURCE_MASK,
}
PLAIN, STATES = {"input_ids": IDS, "attention_mask": MASK}, ("last_hidden_state",)
TYPED = {**PLAIN, "token_type_ids": TYPES}
LOGITS = ("logits",)


def _model(kind: str, config: str, attention: str, part: str = "", **settings: Any) -> Any:
    import transformers

    made = getattr(transformers, config)(attn_implementation=attention, **settings)
    model = getattr(transformers, kind)(made)
    for name in part.split(".") if part else ():
        model = getattr(model, name)
    return model.eval()


def _make(kind: str, config: str, part: str = "", **settings: Any) -> Callable[[str], Any]:
    return lambda attention: _model(kind, config, attention, part, **settings)


T5 = {
    "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4,
    "vocab_size": VOCABULARY, "use_cache": False,
}  # fmt: skip
BART = {
    "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128,
    "vocab_size": VOCABULARY, "max_position_embeddings": 32, "use_cache": False,
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}  # fmt: skip
WHISPER = {
    **BART, "num_mel_bins": 16, "max_source_positions": 16, "max_target_positions": 32,
    "suppress_tokens": None, "begin_suppress_tokens": None,
}  # fmt: skip
GPT2 = {
    "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY, "n_positions": 32,
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
GEMMA = {**LLM, "head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16}

ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": Architecture(_make("BertModel", "BertConfig", **ENCODER), TYPED, STATES),
    "distilbert": Architecture(
        _make(
            "DistilBertModel", "DistilBertConfig",
            dim=64, n_layers=2, n_heads=4, hidden_dim=128, vocab_size=VOCABULARY,
        ),
        PLAIN, STATES,
    ),
    "roberta": Architecture(_make("RobertaModel", "RobertaConfig", **ENCODER), PLAIN, STATES),
    "deberta-v2": Architecture(
        _make(
            "DebertaV2Model", "DebertaV2Config", **ENCODER, relative_attention=True,
            position_buckets=8, pos_att_type=["c2p", "p2c"], norm_rel_ebd="layer_norm",
            share_att_key=True, max_relative_positions=-1, position_biased_input=False,
        ),
        PLAIN, STATES,
    ),
    "mpnet": Architecture(_make("MPNetModel", "MPNetConfig", **ENCODER), PLAIN, STATES),
    "modernbert": Architecture(
        _make(
            "ModernBertModel", "ModernBertConfig", **ENCODER, global_attn_every_n_layers=2,
            local_attention=8, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1,
            sep_token_id=2,
        ),
        PLAIN, STATES,
    ),
    "clip-text": Architecture(
        _make(
            "CLIPTextModelWithProjection", "CLIPTextConfig", **ENCODER, projection_dim=32,
            max_position_embeddings=16, bos_token_id=94, eos_token_id=95, pad_token_id=95,
        ),
        PLAIN, ("text_embeds", "last_hidden_state"), kind="clip",
    ),
    "clip-vision": Architecture(
        _make(
            "CLIPVisionModelWithProjection", "CLIPVisionConfig", **SMALL, intermediate_size=128,
            image_size=32, patch_size=8, projection_dim=32,
        ),
        {"pixel_values": PIXELS}, ("image_embeds",), kind="clip",
    ),
    "vit": Architecture(
        _make(
            "ViTForImageClassification", "ViTConfig", **SMALL, intermediate_size=128,
            image_size=32, patch_size=8,
        ),
        {"pixel_values": PIXELS}, LOGITS, kind="vit",
    ),
    "whisper-encoder": Architecture(
        _make("WhisperModel", "WhisperConfig", "encoder", **WHISPER),
        {"input_features": Input("floats", (1, 16, 32), {0: "batch"})}, STATES, kind="bart",
    ),
    "whisper-decoder": Architecture(
        _make("WhisperModel", "WhisperConfig", "decoder", **WHISPER),
        {**PLAIN, "encoder_hidden_states": SOURCE_STATES}, STATES, (4, 16), True, kind="bart",
    ),
    "t5-encoder": Architecture(
        _make("T5EncoderModel", "T5Config", **T5), PLAIN, STATES, kind="t5",
    ),
    "t5-decoder": Architecture(
        _make("T5Model", "T5Config", "decoder", **T5), DECODER_INPUTS, STATES, (4, 16), True,
        kind="t5",
    ),
    "bart-encoder": Architecture(
        _make("BartModel", "BartConfig", "encoder", **BART), PLAIN, STATES, kind="bart",
    ),
    "bart-decoder": Architecture(
        _make("BartModel", "BartConfig", "decoder", **BART), DECODER_INPUTS, STATES, (4, 16), True,
        kind="bart",
    ),
    "gpt2": Architecture(
        _make("GPT2LMHeadModel", "GPT2Config", **GPT2), PLAIN, LOGITS, (4, 16), kind="gpt2",
    ),
    "llama": Architecture(
        _make("LlamaForCausalLM", "LlamaConfig", **LLM), PLAIN, LOGITS, (2, 16), kind="gpt2",
    ),
    "qwen3": Architecture(
        _make("Qwen3ForCausalLM", "Qwen3Config", **LLM, head_dim=16), PLAIN, LOGITS, (2, 16),
        kind="gpt2",
    ),
    "gemma3": Architecture(
        _make("Gemma3ForCausalLM", "Gemma3TextConfig", **GEMMA), PLAIN, LOGITS, (2, 16),
        kind="gpt2",
    ),
}  # fmt: skip
