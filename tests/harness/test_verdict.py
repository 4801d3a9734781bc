"""A verdict is JSON and back; its stage is a text of which nothing else is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.verdict import Kind, SequenceName, Stage, Verdict

SEQUENCES: list[SequenceName] = ["", "plain", "legal", "illegal", "device"]
WORDS = st.sampled_from(
    ["load", "reference", "lower", "build", "again", "run", "compare", "timing"]
)
NAMES = st.sampled_from(["tirx.StmtSimplify", "s_tir.LowerInitBlock"])
STAGES = st.one_of(
    st.builds(Stage, st.sampled_from(SEQUENCES), st.one_of(st.just(""), WORDS)),
    st.builds(Stage, st.sampled_from(SEQUENCES), st.just("pass"), st.integers(0, 999), NAMES),
)


@given(STAGES)
def test_a_stage_is_its_text_and_back(stage: Stage) -> None:
    assert Stage.parse(str(stage)) == stage


@pytest.mark.parametrize(
    ("text", "stage", "place"),
    [
        ("", Stage(), ""),
        ("reference", Stage(step="reference"), "reference"),
        ("legal", Stage("legal"), "legal"),
        ("plain:build", Stage("plain", "build"), "build"),
        ("device:run", Stage("device", "run"), "run"),
        ("illegal:pass:3:tirx.X", Stage("illegal", "pass", 3, "tirx.X"), "tirx.X"),
    ],
)
def test_the_texts_of_stages_are_those_of_stores_and_of_json(
    text: str, stage: Stage, place: str
) -> None:
    assert str(stage) == text and Stage.parse(text) == stage
    assert stage.place == place
    verdict = Verdict(Kind.CRASH, stage=stage)
    assert json.loads(verdict.to_json())["stage"] == text
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(
    "text",
    ["legal:", ":", "a:b", "legal:pass:3", "legal:pass:x:tirx.X", "legal:pass:-1:tirx.X", "\x1b[2J"]
    + ["legal:pass:3:a b", "legal:pass:3:tirx.X:more", "legal:run\n", "pass:" + "9" * 5000 + ":a"],
)
def test_what_is_not_the_text_of_a_stage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a stage"):
        Stage.parse(text)
    with pytest.raises(ValueError, match="not a stage"):
        Verdict.from_json(json.dumps({"kind": "ok", "stage": text}))


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_a_stage(text: str) -> None:
    try:
        assert str(Stage.parse(text)) == text
    except ValueError:
        pass
