"""The documents name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/how-it-works.md", "docs/decisions/README.md")
PLACES = ("tzer/", "jitweb/", "corpus/", "seeds/", "harness/", "tests/", "benchmarks/", "docs/")
PATH = re.compile(r"`([a-z_./-]+(?:\.py|\.mjs|\.md|/))`")
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text()
    named = [path for path in PATH.findall(text) if path.startswith(PLACES)]
    missing = [path for path in named if not (ROOT / path).exists()]
    missing += [
        link for link in LINK.findall(text) if not ((ROOT / document).parent / link).exists()
    ]
    assert not missing
