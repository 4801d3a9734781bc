"""Files are written whole or not at all, by one helper, and never through somebody else's link."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import UserError
from harness.console.command_line import write_output
from harness.system.files import open_bounded, read_bounded, remove_folder, write_atomically
from harness.system.processes import ROOT, python_command

ENDLESS = Path("/proc/self/pagemap")  # a regular file without a size
# Our own files, those in folders that we made, the system's, pipes, and the helpers themselves.
READ_OTHERWISE = {
    "harness/console/probes.py",
    "harness/coverage/elf.py",
    "harness/devices/gpu_compiler.py",
    "harness/devices/node.py",
    "harness/devices/page_server.py",
    "harness/devices/radv_program.py",
    "harness/devices/web_files.py",
    "harness/system/files.py",
    "harness/targets/llvm.py",
    "harness/targets/wasm.py",
    "jitweb/bundle.py",
    "jitweb/weight_files.py",  # into the folder that bundle.py renames
    "jitweb/verify.py",
    "seeds/library.py",
    "tzer/in_subprocess.py",
    "tzer/report/page.py",
}
# Files in folders that were just made, a compiler's source, and the helper itself.
OTHERWISE = {
    "harness/devices/gpu_compiler.py",
    "harness/system/files.py",
    "harness/targets/c.py",
    "jitweb/bundle.py",
    "jitweb/weight_files.py",  # into the folder that bundle.py renames
    "tzer/triage/reproducer_parts.py",  # a script for others
}


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        write_atomically(path, content)
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_link_is_followed_where_that_is_wanted_alone(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    for follow, content in ((True, b"new"), (False, b"other")):
        (tmp_path / "link").symlink_to(tmp_path / "there")
        write_atomically(tmp_path / "link", content, follow=follow)
        assert (tmp_path / "link").is_symlink() == follow
        assert (tmp_path / "there").read_bytes() == b"new"
        (tmp_path / "link").unlink()


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    path, mine = tmp_path / "file", tmp_path / "mine"
    mine.write_bytes(b"mine")
    for name in (f".file.{os.getpid()}", "file.new", f"file.{os.getpid()}", ".file.tmp"):
        (tmp_path / name).symlink_to(mine)
    write_atomically(path, b"content")
    assert mine.read_bytes() == b"mine" and path.read_bytes() == b"content"


def test_a_link_that_the_user_made_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"content"


def test_what_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "file", b"content")
    with pytest.raises(UserError, match="can't be written: No such file or directory"):
        write_output(tmp_path / "none" / "file", b"content")
    with pytest.raises(UserError, match="No space left on device"):
        write_output(Path("/dev/full"), b"content")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_there_stays_where_it_may_not_be_replaced(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        write_atomically(tmp_path / "file", content, replace=False)
    assert (tmp_path / "file").read_bytes() == b"first"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    assert read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="larger than"):
        read_bounded(tmp_path / "file", 4)
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            read_bounded(path, 5)


def test_a_file_that_the_kernel_makes_up_and_that_has_no_end_is_empty() -> None:
    assert read_bounded(ENDLESS, 5) == b""
    with open_bounded(ENDLESS, 5) as file:
        assert file.read() == b""


def test_a_folder_goes_although_a_process_still_writes_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "profile"
    folder.mkdir()
    program = """if True:
        import os, sys, time
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            open(os.path.join(sys.argv[1], str(time.monotonic_ns())), "w").close()
    """
    writer = subprocess.Popen(python_command("-c", program, str(folder)), stderr=subprocess.DEVNULL)
    while not any(folder.iterdir()):
        pass
    remove_folder(folder)
    writer.wait()
    assert not folder.exists()


def test_files_are_written_by_the_one_helper() -> None:
    found = set()
    for package in ("harness", "corpus", "seeds", "tzer", "jitweb"):
        for path in (ROOT / package).rglob("*.py"):
            writes = r"\.write_(bytes|text)\(|os\.replace\(|NamedTemporaryFile|mkstemp|\"w[bx]?\""
            if re.search(writes, path.read_text()):
                found.add(str(path.relative_to(ROOT)))
    assert found == OTHERWISE | {
        "harness/console/command_line.py",  # standard streams that were closed
        "harness/devices/wgpu_program.py",  # a copy of standard output
        "tzer/in_subprocess.py",  # a pipe
    }


def test_files_that_a_user_names_are_read_by_the_one_helper() -> None:
    found = set()
    reads = r"\.read_(bytes|text)\(|open\([^)\n]*\"rb\"|\bonnx\.load\(|np\.fromfile"
    for package in ("harness", "corpus", "seeds", "tzer", "jitweb"):
        for path in (ROOT / package).rglob("*.py"):
            if re.search(reads, path.read_text()):
                found.add(str(path.relative_to(ROOT)))
    assert found == READ_OTHERWISE


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
