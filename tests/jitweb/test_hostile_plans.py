"""A plan that can't be right is refused before anything of it is used, in Python and in JavaScript.

hostile_plans.json is a table of changes to a plan that is right: at a path in it, one of several
values. Both sides have to refuse all of them, in one line.
"""

from __future__ import annotations

import copy
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jitweb.bundle import read_plan
from jitweb.errors import JitwebError
from jitweb.verify import RESTORE
from tests.jitweb.test_runtime import in_node
from tests.jitweb.tiny import Tiny, edit, wasm_module

TABLE = json.loads(Path(__file__).with_name("hostile_plans.json").read_text())
TEXTS = {
    "empty": b"",
    "cut": b'{"format": 2, "files": {}',
    "no JSON": b"\x00\xff",
    "a number": b"1",
    "not UTF-8": b'{"format": 2, "model": "\xff"}',
    "NaN": b'{"format": 2, "model": "m", "variants": [NaN]}',
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 50_000,
    "no format": b"{}",
    "a format that is a list": b'{"format": [1]}',
}


def hostile_plans(right: Any, right_variants: Any, right_open: Any) -> Iterator[tuple[str, Any]]:
    """Rows of "variants" change a plan of two, those of "open" one with an open length."""
    for row in TABLE:
        for value in row["values"]:
            bases = {"variants": right_variants, "open": right_open}
            plan = copy.deepcopy(next((bases[each] for each in bases if row.get(each)), right))
            name = f"{row['what']}: {json.dumps(value)[:40]}"
            if not row["path"]:
                yield name, value
                continue
            at = plan
            for part in row["path"][:-1]:
                at = at[part]
            at[row["path"][-1]] = value
            yield name, plan


@pytest.fixture(scope="module")
def folders(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each hostile plan, with the plan alone."""
    base = tmp_path_factory.mktemp("hostile")
    both = Tiny(has_variants=True).write(base / "variants")
    length = Tiny(is_open=True).write(base / "open")
    right = (json.loads((each / "plan.json").read_text()) for each in (tiny, both, length))
    plans = hostile_plans(*right)
    contents = {
        name: json.dumps(plan).replace("Infinity", "1e400").encode() for name, plan in plans
    }
    found = {}
    for number, (name, content) in enumerate({**contents, **TEXTS}.items()):
        found[name] = base / str(number)
        found[name].mkdir()
        (found[name] / "plan.json").write_bytes(content)
    return found


def test_python_refuses_every_hostile_plan_in_one_line(folders: dict[str, Path]) -> None:
    accepted = []
    for name, folder in folders.items():
        try:
            read_plan(folder)
        except JitwebError as error:
            message = str(error)
            assert "\n" not in message and len(message) < 400, name
            assert "plan.json can't be read" in message or "another format" in message, name
        else:
            accepted.append(name)
    assert accepted == []


def test_javascript_refuses_every_hostile_plan_in_one_line(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "folders.json").write_text(json.dumps([str(path) for path in folders.values()]))
    returned = in_node(f"""
        const {{ readFileSync }} = await import("node:fs");
        const folders = JSON.parse(readFileSync("{tmp_path}/folders.json"));
        const messages = [];
        for (const folder of folders) messages.push(await words(() => load(folder)));
        return messages;""")
    accepted = []
    for name, message in zip(folders, returned, strict=True):
        assert "\n" not in message and len(message) < 400, name
        if not message.startswith(("Error: plan.json ", "Error: the bundle is of format ")):
            accepted.append((name, message))  # it went on to the next file, or broke
    assert accepted == []


def test_the_plan_that_they_were_made_of_is_accepted(tiny: Path, tmp_path: Path) -> None:
    assert read_plan(tiny)["model"] == "tiny"
    (tmp_path / "plan.json").write_bytes((tiny / "plan.json").read_bytes())
    message = in_node(f'return words(() => load("{tmp_path}", {{ target: "wasm" }}));')
    assert message.startswith("Error: kernels.relaxed.wasm can't be read")


def test_plans_that_are_no_files_or_too_large_are_not_read(tmp_path: Path) -> None:
    made: dict[str, Path] = {}
    for name in ("zeros", "pipe", "folder", "large", "endless"):
        made[name] = tmp_path / name
        made[name].mkdir()
    (made["zeros"] / "plan.json").symlink_to("/dev/zero")
    (made["endless"] / "plan.json").symlink_to("/proc/self/pagemap")
    os.mkfifo(made["pipe"] / "plan.json")
    (made["folder"] / "plan.json").mkdir()
    with (made["large"] / "plan.json").open("wb") as file:
        file.truncate(1 << 40)
    returned = in_node(f"""
        const messages = [];
        for (const folder of {json.dumps([str(path) for path in made.values()])})
          messages.push(await words(() => load(folder)));
        return messages;""")
    for folder, message in zip(made.values(), returned, strict=True):
        assert message.startswith("Error: plan.json ")
        with pytest.raises(JitwebError, match=r"plan\.json can't be read"):
            read_plan(folder)


HEADERS = {
    "empty": b"",
    "a number": b"1",
    "no JSON": b"{",
    "not UTF-8": b'{"\xff": 1}',
    "no object": b'{"w": 1}',
    "no offsets": b'{"w": {}}',
    "offsets in words": b'{"w": {"data_offsets": "ab"}}',
    "one offset": b'{"w": {"data_offsets": [0]}}',
    "three offsets": b'{"w": {"data_offsets": [0, 4, 8]}}',
    "before the start": b'{"w": {"data_offsets": [-8, 4]}}',
    "beyond the end": b'{"w": {"data_offsets": [0, 4096]}}',
    "far beyond the end": b'{"w": {"data_offsets": [0, 1e300]}}',
    "backwards": b'{"w": {"data_offsets": [8, 4]}}',
    "fractions": b'{"w": {"data_offsets": [0.5, 4]}}',
    "deep": b"[" * 100_000,
}


def test_damaged_weights_are_refused_before_they_are_placed(tiny: Path, tmp_path: Path) -> None:
    contents = [struct.pack("<Q", len(header)) + header + bytes(8) for header in HEADERS.values()]
    contents += [b"", b"1234567", b"\xff" * 8, struct.pack("<Q", 1 << 62), struct.pack("<Q", 9)]
    folders = []
    for number, content in enumerate(contents):
        folder = edit(tiny, tmp_path / str(number), lambda plan: None)
        (folder / "weights.safetensors").write_bytes(content)
        folders.append(str(folder))
    returned = in_node(f"""
        const messages = [];
        for (const folder of {json.dumps(folders)})
          messages.push(await words(() => load(folder, {{ target: "wasm", verify: false }})));
        return messages;""")
    assert returned == [f"Error: weights.safetensors is damaged; {RESTORE}"] * len(folders)


def test_a_file_that_is_larger_than_the_plan_says_is_not_read(tiny: Path, tmp_path: Path) -> None:
    folder = edit(tiny, tmp_path / "bundle", lambda plan: None)
    with (folder / "weights.safetensors").open("r+b") as file:
        file.truncate(1 << 40)
    message = in_node(f'return words(() => load("{folder}", {{ target: "wasm" }}));')
    assert message == (
        f"Error: weights.safetensors was changed: it is larger than the bundle says; {RESTORE}"
    )


MODULE = wasm_module()
MODULES = {
    "no module": (b"no module", "can't be compiled"),
    "another import": (MODULE.replace(b"\x06memory\x02", b"\x06memorz\x02"), "more than a memory"),
    "another's memory": (MODULE.replace(b"\x03env", b"\x03enw"), "more than a memory"),
    "a missing kernel": (MODULE.replace(b"\x03add\x00", b"\x03adc\x00"), "kernel add is missing"),
    "a kernel that is a global": (
        MODULE.replace(b"\x03add\x00\x00", b"\x03add\x03\x00"),
        "kernel add is missing",
    ),
    "no stack pointer": (MODULE.replace(b"\x02sp\x03", b"\x02sq\x03"), "stack pointer is missing"),
    "a kernel of other arguments": (
        MODULE.replace(b"\x03add\x00\x00", b"\x03add\x00\x01"),
        "the kernel add takes other arguments",
    ),
}


def test_modules_that_ask_for_more_or_lack_a_kernel_are_refused(tiny: Path, tmp_path: Path) -> None:
    folders = []
    for number, (content, _) in enumerate(MODULES.values()):
        assert content != MODULE
        folder = edit(tiny, tmp_path / str(number), lambda plan: None)
        for variant in ("relaxed", "simd128"):
            (folder / f"kernels.{variant}.wasm").write_bytes(content)
        folders.append(str(folder))
    returned = in_node(f"""
        const messages = [];
        for (const folder of {json.dumps(folders)}) for (const threads of [1, 2]) {{
          const options = {{ target: "wasm", threads, verify: false }};
          messages.push(await words(() => load(folder, options)));
        }}
        return messages;""")
    for (_, wanted), *messages in zip(MODULES.values(), returned[::2], returned[1::2], strict=True):
        for message in messages:
            assert message.startswith("Error: ") and wanted in message and "\n" not in message


def test_what_a_model_needs_beyond_memory_is_refused(tmp_path: Path) -> None:
    folder = edit(
        Tiny().write(tmp_path / "tiny"),
        tmp_path / "large",
        lambda plan: plan["variants"][0]["slots"].extend([2**32] * 1000),
    )
    message = in_node(f'return words(() => load("{folder}", {{ target: "wasm" }}));')
    assert "pages of memory; WebAssembly has 65536" in message
