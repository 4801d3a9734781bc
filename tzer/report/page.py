"""Assembling the page: one file with its style, script and data, which asks nothing of a network.

The data's strings may come from a hostile store. They travel as JSON without `<`, so that they
can't end their element, and the page makes nothing but text of them. A policy in the page itself
allows this script and this style, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def render(data: dict[str, Any]) -> bytes:
    """The report of this data as HTML. With `data["live"]` it asks its own server for more."""
    style, script = ((HERE / name).read_text("utf-8") for name in ("page.css", "page.mjs"))
    connect = "; connect-src 'self'" if data["live"] else ""
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        f"img-src data:; base-uri 'none'; form-action 'none'{connect}"
    )
    page = (HERE / "page.html").read_text("utf-8")
    parts = {"@POLICY@": policy, "@STYLE@": style, "@SCRIPT@": script, "@DATA@": _json(data)}
    for mark, text in parts.items():
        before, _, after = page.partition(mark)
        page = before + text + after
    return page.encode("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: dict[str, Any]) -> str:
    """JSON in ASCII that holds no markup."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
