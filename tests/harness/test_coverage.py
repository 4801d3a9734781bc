"""Native coverage: blocks of the stock library by source file, each reported once."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tvm

from harness import UserError, compat
from harness.coverage import blockmap, native
from harness.coverage.blockmap import BlockMap
from harness.coverage.elf import Library
from harness.coverage.python_lines import PythonCoverage
from harness.coverage.scope import DEFAULT_SCOPE, GROUPS, resolve_scope
from harness.passes.build import plain_build
from harness.targets import get_target
from tests import programs

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not native.available()[0], reason=native.available()[1]),
]


@pytest.fixture(scope="module")
def block_map() -> BlockMap:
    return native.load_block_map()


@pytest.fixture(scope="module")
def coverage(block_map: BlockMap) -> Iterator[native.NativeCoverage]:
    """The one set of breakpoints of this process, disarmed again for the tests of other files."""
    made = native.NativeCoverage(block_map, ("src/",))
    yield made
    made.disarm_all()


def _lowered() -> object:
    module = programs.matmul()
    for dialect, name in (
        ("s_tir", "LowerInitBlock"),
        ("s_tir", "ConvertBlocksToOpaque"),
        ("s_tir", "LowerOpaqueBlock"),
        ("tirx", "FlattenBuffer"),
    ):
        module = getattr(getattr(tvm, dialect).transform, name)()(module)
    return module


def _files(block_map: BlockMap, blocks: np.ndarray) -> set[str]:
    return {block_map.files[index] for index in np.unique(block_map.block_file[blocks])}


def test_the_map_covers_the_compiler(block_map: BlockMap) -> None:
    assert len(block_map.files) > 300
    assert len(block_map.blocks) > 1_000_000
    assert len(block_map.block_file) == len(block_map.blocks)


def test_blocks_ascend_and_begin_inside_known_functions(block_map: BlockMap) -> None:
    assert (np.diff(block_map.blocks.astype(np.int64)) > 0).all()
    function = np.searchsorted(block_map.functions, block_map.blocks, side="right") - 1
    assert (block_map.function_file[function] == block_map.block_file).all()


def test_a_function_start_is_located_in_its_own_file(block_map: BlockMap) -> None:
    for block in (0, len(block_map.blocks) // 2, len(block_map.blocks) - 1):
        offset = int(block_map.blocks[block])
        file, start = block_map.locate(offset)
        assert file == block_map.files[block_map.block_file[block]]
        assert start <= offset


def test_blocks_begin_where_instructions_do(block_map: BlockMap) -> None:
    from iced_x86 import Decoder

    path = native.library_path()
    assert path is not None
    library = Library(path)
    sizes = dict(zip(*(part.tolist() for part in library.functions()), strict=True))
    functions = block_map.functions[block_map.function_file >= 0].tolist()
    for start in random.Random(0).sample(functions, 2000):
        first, last = np.searchsorted(block_map.blocks, (start, start + sizes[start]))
        blocks = set(block_map.blocks[first:last].tolist())
        code = library.code(start, sizes[start])
        assert blocks <= {instruction.ip for instruction in Decoder(64, code, ip=start)}


# Exported functions, whose names tell their files.
EXPORTED = {
    "_ZN3tvm4tirx9transform10UnrollLoopEv": "src/tirx/transform/unroll_loop.cc",
    "_ZN3tvm4tirx9transform13VectorizeLoopEb": "src/tirx/transform/vectorize_loop.cc",
    "_ZN3tvm4tirx9transform14StorageRewriteEv": "src/tirx/transform/storage_rewrite.cc",
    "_ZN3tvm4tirx9transform13MakePackedAPIEv": "src/tirx/transform/make_packed_api.cc",
    "_ZN3tvm5s_tir9transform13LoopPartitionEv": "src/s_tir/transform/loop_partition.cc",
}


def test_exported_functions_are_in_the_files_that_define_them(block_map: BlockMap) -> None:
    path = native.library_path()
    library = ctypes.CDLL(str(path))
    _, base = native._extension().find_library(native.LIBRARY)
    for name, file in EXPORTED.items():
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        assert address is not None
        assert block_map.locate(address - base)[0] == file


def test_only_the_compilers_own_files_are_in_the_map(block_map: BlockMap) -> None:
    folders = {file.split("/")[1] for file in block_map.files}
    known = {"arith", "backend", "ir", "relax", "runtime", "s_tir", "script", "support", "sym"}
    assert folders <= known | {"target", "te", "tirx", "topi"}


def test_every_group_of_the_default_scope_has_files(block_map: BlockMap) -> None:
    for group in GROUPS:
        assert len(block_map.in_scope(resolve_scope([group]))) > 1000, group
    everything = len(block_map.in_scope(("src/",)))
    assert 0 < len(block_map.in_scope(DEFAULT_SCOPE)) < everything == len(block_map.blocks)


def test_an_unknown_scope_is_told_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown scope 'analyser'.*analyzer"):
        resolve_scope(["analyser"])


def test_a_pass_reaches_its_own_source_and_not_another_passes(
    block_map: BlockMap, coverage: native.NativeCoverage
) -> None:
    lowered = _lowered()
    coverage.arm()
    coverage.drain()
    tvm.tirx.transform.UnrollLoop()(lowered)
    files = _files(block_map, coverage.drain())
    assert "src/tirx/transform/unroll_loop.cc" in files
    assert "src/tirx/transform/storage_rewrite.cc" not in files


def test_simplifying_reaches_the_simplifier_and_not_the_vectorizer(
    block_map: BlockMap, coverage: native.NativeCoverage
) -> None:
    lowered = _lowered()
    simplify = tvm.tirx.transform.StmtSimplify()
    coverage.arm()
    coverage.drain()
    simplify(lowered)
    names = {Path(file).name for file in _files(block_map, coverage.drain())}
    assert {"rewrite_simplify.cc", "(StmtSimplify)"} <= names
    assert "vectorize_loop.cc" not in names


def test_a_block_is_reported_once_until_it_is_armed_again(
    coverage: native.NativeCoverage,
) -> None:
    lowered = _lowered()
    unroll = tvm.tirx.transform.UnrollLoop()
    for _ in range(3):  # allocation and hash order settle
        unroll(lowered)
    coverage.arm()
    coverage.drain()
    unroll(lowered)
    first = coverage.drain()
    unroll(lowered)
    assert len(coverage.drain()) < len(first) / 20
    coverage.arm(first)
    unroll(lowered)
    assert len(np.intersect1d(coverage.drain(), first)) > 0.95 * len(first)


def test_a_disarmed_block_is_not_reported(coverage: native.NativeCoverage) -> None:
    lowered = _lowered()
    coverage.arm()
    coverage.disarm_all()
    coverage.drain()
    tvm.tirx.transform.UnrollLoop()(lowered)
    assert len(coverage.drain()) == 0


def test_a_forked_child_has_breakpoints_of_its_own(coverage: native.NativeCoverage) -> None:
    lowered = _lowered()
    coverage.arm()
    coverage.drain()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        tvm.tirx.transform.UnrollLoop()(lowered)
        os.write(writer, str(len(coverage.drain())).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert int(os.read(reader, 100)) > 100
    tvm.tirx.transform.UnrollLoop()(lowered)
    assert len(coverage.drain()) > 100


def test_threads_can_meet_at_breakpoints(coverage: native.NativeCoverage) -> None:
    lowered = _lowered()
    unroll = tvm.tirx.transform.UnrollLoop()
    coverage.arm()
    coverage.drain()
    unroll(lowered)
    alone = coverage.drain()
    together = threading.Barrier(4)

    def run() -> None:
        together.wait()
        for _ in range(20):
            unroll(lowered)

    for _ in range(10):
        coverage.arm()
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(np.intersect1d(coverage.drain(), alone)) > 0.9 * len(alone)


def _exit_status(deed: Callable[[], bool]) -> int:
    """That of a forked child: 0 if the deed is true."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if deed() else 1)
    return os.waitpid(pid, 0)[1]


def test_another_handler_of_traps_is_replaced_when_arming(coverage: native.NativeCoverage) -> None:
    lowered = _lowered()

    def deed() -> bool:
        signal.signal(signal.SIGTRAP, signal.SIG_DFL)
        coverage.arm()
        coverage.drain()
        tvm.tirx.transform.UnrollLoop()(lowered)
        return len(coverage.drain()) > 100

    assert _exit_status(deed) == 0


def test_a_trap_of_someone_else_goes_to_their_handler(coverage: native.NativeCoverage) -> None:
    def deed() -> bool:
        caught: list[int] = []
        signal.signal(signal.SIGTRAP, lambda number, _: caught.append(number))
        coverage.arm()
        os.kill(os.getpid(), signal.SIGTRAP)
        return caught == [signal.SIGTRAP]

    assert _exit_status(deed) == 0


def test_a_system_that_forbids_writing_code_is_told_about() -> None:
    set_mdwe, refuse_exec_gain = 65, 1

    def deed() -> bool:
        if ctypes.CDLL(None).prctl(set_mdwe, refuse_exec_gain, 0, 0, 0) != 0:
            return True  # a kernel that can't forbid it
        works, reason = native.available()
        return not works and "setsebool" in reason

    assert _exit_status(deed) == 0


def test_a_map_of_another_library_is_refused(block_map: BlockMap) -> None:
    with pytest.raises(OSError, match="the map of blocks is not that of"):
        native.NativeCoverage(replace(block_map, build_id="00"), ("src/",))


def test_armed_code_computes_the_same(coverage: native.NativeCoverage) -> None:
    module = programs.scaled_sum("float16")
    source, plain, armed = (np.full((3, 5), 3, np.float16) for _ in range(3))
    coverage.disarm_all()
    plain_build(module, get_target("llvm")).run([source, plain])
    coverage.arm()
    plain_build(module, get_target("llvm")).run([source, armed])
    assert np.array_equal(plain, armed)
    assert plain[0, 0] == 7


def test_an_unknown_block_is_refused(coverage: native.NativeCoverage) -> None:
    with pytest.raises(IndexError):
        coverage.arm(np.array([2**31], np.uint32))


@pytest.mark.once
def test_a_damaged_cache_is_made_anew(block_map: BlockMap, tmp_path: Path) -> None:
    path = native.library_path()
    assert path is not None
    kept = tmp_path / f"blocks-{blockmap.FORMAT}-{block_map.build_id}.npz"
    kept.write_bytes(b"PK\x03\x04 cut off")
    made = blockmap.load(path, tmp_path)
    assert np.array_equal(made.blocks, block_map.blocks)
    assert np.array_equal(blockmap.load(path, tmp_path).block_file, block_map.block_file)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("what", ["nothing", "text", "an array", "a cut-off map", "another map"])
def test_what_is_no_map_is_not_read_as_one(what: str, block_map: BlockMap, tmp_path: Path) -> None:
    path = tmp_path / "map.npz"
    blockmap._write(path, block_map)
    whole = path.read_bytes()
    if what == "another map":
        blockmap._write(path, replace(block_map, build_id="00"))
    elif what == "an array":
        with open(path, "wb") as file:
            np.save(file, block_map.functions)
    else:
        path.write_bytes({"nothing": b"", "text": b"text"}.get(what, whole[: len(whole) // 2]))
    with pytest.raises(blockmap.DAMAGED):
        blockmap._read(path, block_map.build_id)


def test_python_lines_are_those_that_ran_since_the_start() -> None:
    recorder = PythonCoverage()
    recorder.start()
    compat.why_ill_formed(programs.matmul())
    first = recorder.stop()
    assert any(file.startswith("te/") for file, _ in first)
    recorder.start()
    assert not any(file.startswith("te/") for file, _ in recorder.stop())
