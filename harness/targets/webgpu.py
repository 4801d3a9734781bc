"""The webgpu target: compiles a PrimFunc scheduled with thread bindings to WGSL compute shaders.

Lowering uses TVM's own passes, without those for the host (packed API, a host build), since the
runtime is JavaScript. TVM sorts a kernel's buffers by name and passes the number of workgroups as a
uniform: here the bindings get the order of the parameters, and the number becomes a constant in the
code, so that a shader needs only its buffers and `grid`. `harness/devices/` runs and times the
shaders.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import tvm
import tvm_ffi
from tvm import ir, s_tir, tirx

from harness import compat
from harness.devices.shader import LEAST_LIMITS, Shader
from harness.targets.executable import NotExpressible, raised_by_tvm
from harness.targets.vectors import with_vector_buffers

__all__ = ["Shader", "build_shader"]

COMPACTION = "s_tir.CompactBufferAllocation"
DEVICE_KERNEL_LAUNCH = 2  # TVM's calling convention of kernels
LAUNCH_PARAMETERS = "tirx.kernel_launch_params"
MAX_THREADS = LEAST_LIMITS["maxComputeInvocationsPerWorkgroup"]  # and as many in x and y
MAX_THREADS_Z = LEAST_LIMITS["maxComputeWorkgroupSizeZ"]
MAX_GRID = LEAST_LIMITS["maxComputeWorkgroupsPerDimension"]
MAX_WORKGROUP_STORAGE = LEAST_LIMITS["maxComputeWorkgroupStorageSize"]  # bytes
# The bytes of an element in a storage buffer; for bool TVM generates i8, which WGSL lacks.
ELEMENTS = {"float32": 4, "float16": 2, "int32": 4, "uint32": 4}
_WGSL_SIZES = {"f32": 4, "i32": 4, "u32": 4, "f16": 2, "bool": 4}
_ARRAY = re.compile(r"^var<workgroup> \w+ : array<(?:vec(\d)<)?(\w+)>?, (\d+)>;", re.MULTILINE)
_BINDING = re.compile(r"(@binding\(\d+\)) var<storage, \w+> (\w+)")
_UNIFORM = re.compile(
    r"\nstruct (\w+) \{\n  (\w+): u32\n\}\n@group\(0\) @binding\(\d+\) var<uniform> (\w+) : \1;\n"
)


def build_shader(
    function: Any,
    *,
    max_workgroup_storage: int = MAX_WORKGROUP_STORAGE,
    keeps_sizes: bool = False,
) -> Shader | tuple[Shader, ...]:
    """The function's shader; several, to be dispatched in order, if it has several grids.

    With `keeps_sizes` its buffers are as large as they are declared, which what it reads could
    change otherwise.

    Raises:
        NotExpressible: it has parameters other than float32, float16, int32 or uint32 buffers,
            allocates memory for values between grids, needs more workgroup storage or threads
            than allowed, or has statements outside of thread bindings.
        RaisedByTVM: a pass or the code generator raised.
    """
    _check_parameters(function)
    target = _target(max_workgroup_storage)
    lowerings = (*_with_vectors(), *_splitting())
    if keeps_sizes:  # also where a size is no multiple of a vector's
        whole = (*_lowerings(), *_splitting())
        lowerings = tuple(each for each in whole if each.info.name != COMPACTION)
    lowered = _lowered(function, target, lowerings)
    shaders = tuple(_shaders(lowered, target, max_workgroup_storage, fixed=True))
    return shaders[0] if len(shaders) == 1 else shaders


def shaders_as_generated(lowered: Any) -> tuple[Shader, ...]:
    """The shaders of a function that is lowered up to the split, as TVM generates them.

    Raises: as `build_shader`.
    """
    _check_parameters(lowered)
    target = _target(MAX_WORKGROUP_STORAGE)
    split = split_kernels(lowered, target)
    return tuple(_shaders(split, target, MAX_WORKGROUP_STORAGE, fixed=False))


def _shaders(
    split: Any, target: Any, max_workgroup_storage: int, *, fixed: bool
) -> Iterator[Shader]:
    """The shaders of a split module; `fixed`: with fixes of known bugs in TVM's WGSL."""
    kernels = {
        symbol.name_hint: part
        for symbol, part in split.functions.items()
        if LAUNCH_PARAMETERS in part.attrs
    }
    if not kernels:
        raise NotExpressible("the function has no thread bindings; schedule it for a GPU first")
    for dispatch in _dispatches(split["main"], set(kernels)):
        kernel = kernels[dispatch.symbol]
        if fixed:
            kernel = kernel.with_body(_with_exact_floats(kernel.body))
        order = sorted(range(len(dispatch.parameters)), key=dispatch.parameters.__getitem__)
        code = _wgsl(kernel, order, dispatch.symbol, target)
        code = _with_fixes(code) if fixed else code
        yield _shader(code, kernel, dispatch, max_workgroup_storage)


def _check_parameters(function: Any) -> None:
    for parameter in function.params:
        if not compat.is_buffer(parameter):
            raise NotExpressible(
                f"parameter {parameter.name} is not a buffer; scalars are not supported"
            )
        dtype = str(parameter.ty.dtype).partition("x")[0]
        if dtype not in ELEMENTS:
            wanted = ", ".join(ELEMENTS)
            raise NotExpressible(
                f"parameter {parameter.name} is {dtype}; WGSL has {wanted}: narrow it first"
            )
        if compat.static_shape(parameter) is None:
            raise NotExpressible(f"parameter {parameter.name} has a symbolic shape; make it static")


@cache
def _target(max_workgroup_storage: int) -> Any:
    return tvm.target.Target({"kind": "webgpu", **compat.webgpu_options(max_workgroup_storage)})


@cache
def _with_host(target: Any) -> Any:
    return tvm.target.Target(target, "llvm")  # splitting host and device needs both targets


def split_kernels(lowered: Any, target: Any) -> Any:
    """The module of a host function and its kernels, of a function that is lowered up to that.

    Raises:
        RaisedByTVM: a pass raised.
    """
    return _lowered(lowered, target, _splitting())


def _lowered(function: Any, target: Any, lowerings: tuple[Any, ...]) -> Any:
    """A module with the function after these passes."""
    named = function.with_attr("global_symbol", "main").with_attr("target", _with_host(target))
    module = ir.IRModule({"main": named})
    with tvm.transform.PassContext(opt_level=3), raised_by_tvm():
        for lowering in lowerings:
            module = lowering(module)
    return module


@cache
def _lowerings() -> tuple[Any, ...]:
    """The default pipeline's passes up to the split, without those that don't apply to WebGPU."""
    return (
        s_tir.transform.CanonicalizeLoop(),
        s_tir.transform.LowerCrossThreadReduction(),
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.LiftThreadBinding(),
        s_tir.transform.ManifestSharedMemoryLocalStage(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.UnifyThreadBinding(),
        s_tir.transform.LowerMatchBuffer(),
        tirx.transform.StmtSimplify(),
        s_tir.transform.InjectSoftwarePipeline(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.NarrowDataType(32),
        s_tir.transform.LoopPartition(),
        tirx.transform.VectorizeLoop(),
        s_tir.transform.InjectVirtualThread(),
        s_tir.transform.InjectDoubleBuffer(),
        tirx.transform.StorageRewrite(),
        s_tir.transform.HoistIfThenElse(),
        tirx.transform.UnrollLoop(),
        tirx.transform.ConvertSSA(),  # unrolled copies bind the same variables
        s_tir.transform.RenormalizeSplitPattern(),
        tirx.transform.StmtSimplify(),
        tirx.transform.RemoveNoOp(),
        s_tir.transform.RewriteUnsafeSelect(),
        tirx.transform.CommonSubexprElim(),
    )


def _with_vectors() -> tuple[Any, ...]:
    """The lowerings, with vectors before common indices get names of their own."""
    *before, naming = _lowerings()
    return (*before, with_vector_buffers, naming)


@cache
def _splitting() -> tuple[Any, ...]:
    """The passes that split the function into a host function and the kernels that it calls."""
    return (
        tirx.transform.VerifyMemory(),
        s_tir.transform.ThreadSync("shared"),
        s_tir.transform.LowerThreadAllreduce(),
        tirx.transform.SplitHostDevice(),
    )


@dataclass(frozen=True)
class _Dispatch:
    """A call of a kernel in the host function: parameters in the kernel's order, and the grid."""

    symbol: str
    parameters: tuple[int, ...]
    extents: tuple[int, ...]


def _dispatches(host: Any, kernels: set[str]) -> Iterator[_Dispatch]:
    """The host function's calls in order.

    Raises:
        NotExpressible: it does anything else than call kernels with its own parameters.
    """
    position = {parameter: index for index, parameter in enumerate(host.params)}
    for node in compat.nodes(host.body):
        kind = compat.type_key(node)
        if kind == "AllocBuffer":
            raise NotExpressible(
                "the function allocates memory for values between grids; "
                "make it a parameter, or split the function"
            )
        if kind in ("For", "While", "IfThenElse", "BufferStore"):
            raise NotExpressible("the function has statements outside of thread bindings")
        if kind == "DeclBuffer":  # a flat view of a parameter
            position[node.buffer] = position[_buffer_of(node.data)]
        if kind == "Call" and node.args and isinstance(node.args[0], compat.StringImm):
            symbol = str(node.args[0].value)
            if symbol not in kernels:
                raise NotExpressible(f"the function calls {symbol} outside of its thread bindings")
            buffers = [each for each in node.args[1:] if isinstance(each, compat.Call)]
            extents = node.args[1 + len(buffers) :]
            if not all(isinstance(extent, compat.IntImm) for extent in extents):
                raise NotExpressible("the function has a grid that is not constant, or a scalar")
            yield _Dispatch(
                symbol,
                tuple(position[_buffer_of(each)] for each in buffers),
                tuple(int(extent) for extent in extents),
            )


def _buffer_of(data: Any) -> Any:
    """The buffer in buffer_data(buffer)."""
    return data.args[0]


def _shader(code: str, kernel: Any, dispatch: _Dispatch, max_workgroup_storage: int) -> Shader:
    """The shader of one dispatch, with its bindings in the order of the function's parameters."""
    tags = [str(tag) for tag in kernel.attrs[LAUNCH_PARAMETERS]]
    extents = dict(zip(tags, dispatch.extents, strict=True))
    blocks, workgroup = _three(extents, "blockIdx"), _three(extents, "threadIdx")
    code, writes = _with_access(_with_constant_grid(code, blocks[0]))
    _check_workgroup(code, workgroup, max_workgroup_storage)
    return Shader(
        code=code,
        entry=dispatch.symbol,
        grid=_grid(blocks),
        workgroup=workgroup,
        bindings=len(dispatch.parameters),
        writes=writes,
        arguments=tuple(sorted(dispatch.parameters)),
    )


def _wgsl(kernel: Any, order: list[int], entry: str, target: Any) -> str:
    """TVM's code for the kernel with its parameters in this order."""
    ordered = tirx.PrimFunc(
        [kernel.params[index] for index in order], kernel.body, kernel.ret_type, kernel.attrs
    )
    ordered = ordered.with_attr("calling_conv", DEVICE_KERNEL_LAUNCH)
    module = ir.IRModule({entry: ordered.with_attr("global_symbol", entry)})
    build = tvm.get_global_func("target.build.webgpu")
    with raised_by_tvm():
        module = tirx.transform.LowerIntrin()(tirx.transform.LowerWarpMemory()(module))
        return str(build(module, target).inspect_source("wgsl"))


def _with_exact_floats(body: Any) -> Any:
    """The body with the bit pattern of each float32 that TVM's seven digits don't represent."""

    def replaced(number: Any) -> Any:
        value = float(number.value)
        if compat.dtype_of(number) != "float32" or not math.isfinite(value):
            return number
        bits = struct.pack("<f", value)
        if struct.pack("<f", float(f"{value:.6e}")) == bits:
            return number
        return tirx.reinterpret("float32", tirx.const(struct.unpack("<i", bits)[0], "int32"))

    return tvm_ffi.structural_map(body, (compat.FloatImm, replaced))


# What TVM prints for infinity and NaN, and their bit patterns.
NOT_FINITE = {"inff": 0x7F800000, "nanf": 0x7FC00000}


def _with_non_finite_values(code: str) -> str:
    """The code with infinity and NaN as variables: WGSL allows neither as a constant."""
    used = []
    for printed, bits in NOT_FINITE.items():
        code, count = re.subn(rf"\b{printed}\b", f"bitcast<f32>({printed}_)", code)
        if count:
            used.append(f"var<private> {printed}_ : u32 = {bits:#x}u;\n")
    # Directives such as enable come first in a module.
    return code.replace("@group(0)", "".join(used) + "@group(0)", 1)


def _with_fixes(code: str) -> str:
    return _with_least_integer(_with_bitwise_logic(_with_non_finite_values(code)))


def _with_bitwise_logic(code: str) -> str:
    """The code with the operators that WGSL also has for vectors of bool; TVM sets parentheses."""
    return code.replace("&&", "&").replace("||", "|")


def _with_least_integer(code: str) -> str:
    """The code with the least int32 as a difference: in WGSL its digits alone are no int32."""
    return re.sub(r"-2147483648i?\b", "(-2147483647i - 1i)", code)


def _with_constant_grid(code: str, blocks: int) -> str:
    """The code with its uniform, the number of workgroups in x minus 1, as a constant."""
    found = _UNIFORM.search(code)
    use = f"{found[3]}.{found[2]}" if found else ""
    if found is None or code.count(use) != 1:
        raise ValueError("TVM's WGSL has an unknown form; is this TVM version supported?")
    return code.replace(found[0], "\n").replace(use, f"{blocks - 1}u")


def _with_access(code: str) -> tuple[str, tuple[int, ...]]:
    """The code with read_write only for the bindings that it stores to, and their numbers.

    TVM may declare all of them read_write. A line that starts with a buffer is a store.
    """
    names = [found[2] for found in _BINDING.finditer(code)]
    stored = {name for name in names if re.search(rf"^ *{name}\[", code, re.MULTILINE)}

    def declared(found: re.Match[str]) -> str:
        access = "read_write" if found[2] in stored else "read"
        return f"{found[1]} var<storage, {access}> {found[2]}"

    writes = tuple(index for index, name in enumerate(names) if name in stored)
    return _BINDING.sub(declared, code), writes


def _three(extents: dict[str, int], kind: str) -> tuple[int, int, int]:
    x, y, z = (extents.get(f"{kind}.{axis}", 1) for axis in "xyz")
    return x, y, z


def _grid(blocks: tuple[int, int, int]) -> tuple[int, int, int]:
    """The grid to dispatch: if x is too large, it is split over x and z, as TVM's code expects."""
    x, y, _ = blocks  # TVM rejects blockIdx.z
    if y > MAX_GRID:
        raise NotExpressible(f"a grid of {y} in y is too large; WebGPU allows {MAX_GRID}")
    layers = math.ceil(x / MAX_GRID)
    return math.ceil(x / layers), y, layers


def _check_workgroup(code: str, workgroup: tuple[int, int, int], max_storage: int) -> None:
    if math.prod(workgroup) > MAX_THREADS or workgroup[2] > MAX_THREADS_Z:
        raise NotExpressible(
            f"a workgroup of {'x'.join(map(str, workgroup))} threads is too large; "
            f"WebGPU allows {MAX_THREADS} in all and {MAX_THREADS_Z} in z"
        )
    used = 0
    for lanes, element, count in _ARRAY.findall(code):
        width = {"": 1, "2": 2, "3": 4, "4": 4}[lanes]
        used += math.ceil(_WGSL_SIZES[element] * width * int(count) / 16) * 16
    if used > max_storage:
        raise NotExpressible(
            f"{used} bytes of workgroup storage are too much; the limit is {max_storage}"
        )
