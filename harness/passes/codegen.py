"""Catalogue, third part: the required end of a lowering, and passes that are never legal."""

from __future__ import annotations

from harness.passes.pass_info import ArgRange
from harness.passes.rows import (
    CODE,
    ORDER,
    SERIAL,
    never,
    row,
)
from harness.passes.state import State as S
from harness.targets.table import NAMES

# The rest of every lowering, in the order that is always used.
CODEGEN = (
    row(
        "tirx.BindTarget",
        {S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE, S.TARGET_FREE},
        "tirx/build.py: before the pipeline; its argument is a name in harness.targets",
        gives={S.TARGET_BOUND},
        destroys={S.TARGET_FREE},
        args=(ArgRange("target", NAMES, required=True),),
        optional=False,
    ),
    row(
        "tirx.AnnotateEntryFunc",
        {S.HOST_AND_DEVICE, S.PLAIN_SIGNATURE},
        ORDER,
        gives={S.ENTRY_ANNOTATED},
        optional=False,
    ),
    row(
        "s_tir.LowerThreadAllreduce",
        SERIAL | {S.TARGET_BOUND},
        "lower_thread_allreduce.cc: ICHECK that the target is bound; " + ORDER,
        optional=False,
    ),
    row(
        "tirx.SplitHostDevice",
        CODE | {S.TARGET_BOUND},
        "split_host_device.cc: ICHECK that the target is bound; " + ORDER,
        gives={S.SPLIT},
        destroys={S.HOST_AND_DEVICE},
        optional=False,
    ),
    row(
        "tirx.MakePackedAPI",
        {S.SPLIT, S.TARGET_BOUND, S.PLAIN_SIGNATURE},
        "make_packed_api.cc; " + ORDER,
        gives={S.PACKED_API},
        destroys={S.PLAIN_SIGNATURE},
        optional=False,
    ),
    row(
        "tirx.FP8StorageLegalize",
        {S.PACKED_API, S.NO_FP8_COMPUTE},
        "unsupported_dtype_legalize.cc: ICHECK that it is after MakePackedAPI",
        gives={S.NO_FP8_STORAGE},
        optional=False,
    ),
    row(
        "tirx.BF16StorageLegalize",
        {S.PACKED_API, S.NO_BF16_COMPUTE},
        "unsupported_dtype_legalize.cc: ICHECK that it is after MakePackedAPI",
        gives={S.NO_BF16_STORAGE},
        optional=False,
    ),
    row(
        "tirx.LowerTVMBuiltin",
        {S.PACKED_API, S.NO_FP8_STORAGE, S.NO_BF16_STORAGE},
        "finalize_host_passes",
        gives={S.BUILTINS_LOWERED},
        optional=False,
    ),
    row(
        "tirx.LowerIntrin",
        {S.BUILTINS_LOWERED, S.TARGET_BOUND},
        "lower_intrin.cc: ICHECK that the target is bound; finalize_host_passes",
        gives={S.INTRINSICS_LOWERED},
        optional=False,
    ),
)

NEVER_LEGAL = (
    never("tirx.PointerValueTypeRewrite", "changes the dtype of main's buffers; for SPIR-V"),
    never("tirx.LowerWarpMemory", "for device functions after the split"),
    never("tirx.LowerTIRx", "for the tile dialect, which cases don't use"),
    never("tirx.LowerTIRxOpaque", "for the tile dialect, which cases don't use"),
    never("tirx.TilePrimitiveDispatch", "for the tile dialect, which cases don't use"),
    never("s_tir.DecorateDeviceScope", "makes main a device function without a launch"),
    never("s_tir.DefaultGPUSchedule", "schedules for GPUs; needs their target"),
    never("s_tir.RemoveWeightLayoutRewriteBlock", "changes the shape of main's buffers"),
    never("s_tir.InstrumentProfileIntrinsics", "its intrinsics exist for Hexagon only"),
)
