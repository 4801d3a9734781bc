"""Shaders are compiled for GPUs that are not here, and their machine code is read."""

from __future__ import annotations

import struct

import pytest

from harness.devices.assembly import read_assembly
from harness.devices.base import DeviceError
from harness.devices.gpu_compiler import ICD_FOLDERS, compile_for, find_driver
from tests.missing import skip_without

NESTED = """
BB0:
	s_load_dwordx4 s[4:7], s[2:3], null     ; f4080101
	v_mov_b32_e32 v9, 0                     ; 7e000280
BB1:
	buffer_load_dwordx4 v[0:3], v8, s[4:7]  ; e0381000
	s_barrier                               ; bf8a0000
BB2:
	ds_read_b128 v[4:7], v8 offset:16       ; d9fc0010
	ds_read2_b32 v[4:5], v8 offset1:1       ; d8dc0100
	v_fmac_f32_e32 v9, v0, v4               ; 56120900
	v_pk_fma_f16 v9, v0, v4, v9             ; cc0e4009
	v_add_u32_e32 v8, 4, v8                 ; 68101084
	s_cbranch_scc0 BB2                      ; bf84fffa
	s_cbranch_scc1 BB1                      ; bf85fff0
BB3:
	buffer_store_dword v9, v8, s[4:7]       ; e0701000
	s_endpgm                                ; bf810000
"""


def test_the_innermost_loop_is_told_from_what_is_around_it() -> None:
    code = read_assembly(NESTED)
    (loop,) = code.loops
    assert code.main is loop
    assert (loop.multiply_adds, loop.vector, loop.share) == (3, 3, 1.0)
    assert (loop.shared_read_bytes, loop.global_bytes, loop.barriers) == (24, 0, 0)
    assert (code.whole.global_bytes, code.whole.barriers, code.whole.scalar_loads) == (16, 1, 1)
    assert (code.outside.vector, code.outside.global_bytes, code.outside.stored_bytes) == (1, 0, 4)


def spirv_module() -> bytes:
    """buffer[0] = 1.0, by one invocation."""
    void, function, main, label, real, array, block, pointer = range(1, 9)
    buffer, element, integer, zero, one, place = range(9, 15)
    storage, name = 12, struct.unpack("<2I", b"main\0\0\0\0")
    instructions = [
        (17, 1), (14, 0, 1),  # capability Shader; memory model
        (15, 5, main, *name, buffer), (16, main, 17, 64, 1, 1),
        (71, array, 6, 4), (72, block, 0, 35, 0), (71, block, 2),
        (71, buffer, 34, 0), (71, buffer, 33, 0),  # set and binding
        (19, void), (33, function, void), (22, real, 32), (29, array, real), (30, block, array),
        (32, pointer, storage, block), (59, pointer, buffer, storage),
        (32, element, storage, real), (21, integer, 32, 0), (43, integer, zero, 0),
        (43, real, one, 0x3F800000),
        (54, void, main, 0, function), (248, label),
        (65, element, place, buffer, zero, zero), (62, place, one), (253,), (56,),
    ]  # fmt: skip
    words = [0x07230203, 0x10400, 0, place + 1, 0]
    for opcode, *operands in instructions:
        words += [(len(operands) + 1) << 16 | opcode, *operands]
    return struct.pack(f"<{len(words)}I", *words)


@pytest.fixture
def mesa() -> None:
    """Skip the test where Mesa's driver for AMD is missing, if that may be so."""
    try:
        find_driver("radeon_icd*.json", ICD_FOLDERS, "mesa-vulkan-drivers")
    except DeviceError as error:
        skip_without(error)


@pytest.mark.parametrize("family", ["navi21", "polaris10"])
def test_a_shader_is_compiled_for_a_gpu_that_is_not_there(mesa: None, family: str) -> None:
    first, second = compile_for(family, [spirv_module()] * 2)
    assert first.assembly == second.assembly
    assert first.statistics["VGPRs"] > 0 and first.statistics["Spilled VGPRs"] == 0
    code = read_assembly(first.assembly)
    assert (code.whole.stored_bytes, code.whole.global_loads, code.loops) == (4, 0, ())


@pytest.mark.parametrize(
    ("family", "module", "words"),
    [("navi21", b"WGSL", "not a SPIR-V module"), ("riva128", spirv_module(), "Mesa for riva128")],
)
def test_what_cannot_be_compiled_is_one_line(
    mesa: None, family: str, module: bytes, words: str
) -> None:
    with pytest.raises(DeviceError, match=words) as raised:
        compile_for(family, [module])
    assert "\n" not in str(raised.value)
