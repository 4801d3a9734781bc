"""Differences between TVM's versions are met in harness/compat.py and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tzer", "jitweb", "corpus", "seeds", "harness")
MISSING = {"ImportError", "ModuleNotFoundError", "AttributeError"}
ALLOWED = {
    "harness/compat.py": "the one place",
    "tzer/triage/reproducer_parts.py": "source of scripts that run without tzer",
    "tzer/triage/device_reproducer.py": "source of scripts that may meet an older tzer",
    "harness/console/probes.py": "names the versions to install",
    "tzer/triage/wheels.py": "makes environments of other releases",
    "tzer/bisect_cli.py": "names releases as examples",
    "harness/oracles/issue.py": "names those that a row of known issues is of",
    "harness/oracles/known_issues.py": "says in which releases an issue shows",
}
FILES = [
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
]


@pytest.mark.parametrize("package", PACKAGES)
def test_versions_of_tvm_are_told_apart_in_compat_alone(package: str) -> None:
    found = [
        f"{file}:{line}: {what}"
        for file in FILES
        if file.startswith(f"{package}/") and file not in ALLOWED
        for line, what in differences((ROOT / file).read_text())
    ]
    assert not found, "\n".join(["move these to harness/compat.py:", *found])


@pytest.mark.parametrize(
    "source",
    [
        "import tvm\nif hasattr(tvm, 'sym'): ...",
        "from tvm import tirx\ndef f(node): return getattr(node, 'source', None)",
        "def f(node):\n import tvm\n return hasattr(node, 'b')",
        "from harness import compat\nif compat.VERSION < (0, 27): ...",
        "import tvm\nprint(tvm.__version__)",
        "try:\n from tvm import sym\nexcept ImportError: ...",
        "import tvm\ntry:\n tvm.sym\nexcept (ValueError, AttributeError): ...",
        "x = 1  # TVM 0.26 calls it arith",
    ],
)
def test_a_difference_is_seen(source: str) -> None:
    assert list(differences(source))


@pytest.mark.parametrize(
    "source",
    [
        "import tvm, socket\nhasattr(socket, 'SO_REUSEPORT')",
        "import tvm\nclass A:\n def f(self): return getattr(self, 'x', None)",
        "import tvm\ntry:\n import iced_x86\nexcept ImportError: ...",
        "def f(error): return getattr(error, 'strerror', None)",
        "x = 10.26",
    ],
)
def test_what_has_to_do_with_other_things_is_not(source: str) -> None:
    assert not list(differences(source))


def differences(source: str) -> Iterator[tuple[int, str]]:
    """(line, what) of each place that may tell one TVM from another."""
    for number, line in enumerate(source.splitlines(), 1):
        if re.search(r"(?<!\d)0\.2[67](?!\d)", line):
            yield number, line.strip()
    tree = ast.parse(source)
    imported = _imports(tree)
    of_tvm = {name for name, module in imported.items() if _is_tvm(module)}
    for node in ast.walk(tree) if of_tvm else ():
        match node:
            case ast.Call(func=ast.Name(id="hasattr"), args=[subject, _]):
                suspect = _may_be_tvms(subject, imported)
            case ast.Call(func=ast.Name(id="getattr"), args=[subject, _, _]):
                suspect = _may_be_tvms(subject, imported)
            case ast.Attribute(value=ast.Name(id=name), attr="__version__" | "VERSION"):
                suspect = name in of_tvm
            case ast.Try():
                caught = {name for handler in node.handlers for name in _names(handler.type)}
                tried = {name for part in node.body for name in (*_names(part), *_imports(part))}
                suspect = bool(caught & MISSING and tried & of_tvm)
            case _:
                suspect = False
        if suspect:
            yield getattr(node, "lineno", 0), ast.unparse(node).splitlines()[0]


def _imports(tree: ast.AST) -> dict[str, str]:
    """The names that imports bind, anywhere in the tree, with the modules they come from."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(a.asname or a.name).partition(".")[0]: a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def _is_tvm(module: str) -> bool:
    return module.startswith("harness.compat") or module.partition(".")[0] in ("tvm", "tvm_ffi")


def _may_be_tvms(subject: ast.expr, imported: dict[str, str]) -> bool:
    """Whether it is neither `self` nor something imported from elsewhere."""
    if not isinstance(subject, ast.Name):
        return True
    return subject.id != "self" and _is_tvm(imported.get(subject.id, "tvm"))


def _names(tree: ast.AST | None) -> set[str]:
    walked = ast.walk(tree) if tree is not None else ()
    return {node.id for node in walked if isinstance(node, ast.Name)}
