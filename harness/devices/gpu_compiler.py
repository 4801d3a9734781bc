"""What a real GPU's compiler makes of a shader, without the GPU.

WGSL becomes SPIR-V by tint (npm package webgpu, on the software driver that comes with Chromium),
and that machine code by Mesa's driver for AMD, which compiles for any generation without hardware.
`radv_program.py` and `spirv.mjs` do the work, in processes of their own; `assembly.py` reads what
comes out. Nothing that users run needs it: it judges kernels while they are developed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.devices.base import DeviceError
from harness.devices.node import find_node
from harness.system.processes import python_command, python_environment, run_program

SPIRV_PROGRAM = Path(__file__).with_name("spirv.mjs")
RADV_PROGRAM = Path(__file__).with_name("radv_program.py")
ICD_FOLDERS = ("/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d")
BROWSER_FOLDERS = ("/usr/lib/chromium", "/opt/google/chrome", "/usr/lib/chromium-browser")
TIMEOUT = 300.0
BEGIN = "/* Dumped SPIRV disassembly */\n"


@dataclass(frozen=True)
class Tools:
    """Files that are not part of the project: the npm package's index.js and spirv-as."""

    webgpu: Path
    assembler: Path


@dataclass(frozen=True)
class Compiled:
    """What the driver reports of a shader, by its own names, and the machine code as text."""

    statistics: Mapping[str, float]
    assembly: str


def find_driver(name: str, folders: Iterable[str], package: str) -> Path:
    """The description of a Vulkan driver, of this file name, which may be a pattern.

    Raises:
        DeviceError: it is not installed.
    """
    for folder in folders:
        for found in sorted(Path(folder).glob(name)):
            return found
    raise DeviceError(f"there is no {name}: apt-get install {package}")


def to_spirv(
    shaders: Sequence[tuple[str, str]], tools: Tools, *, bounds_checks: bool = False
) -> list[bytes]:
    """The SPIR-V modules of WGSL compute shaders, each a code and an entry point.

    Raises:
        DeviceError: a program or driver is missing, or refuses a shader.
    """
    driver = find_driver("vk_swiftshader_icd.json", BROWSER_FOLDERS, "chromium")
    with tempfile.TemporaryDirectory(prefix="jitweb-spirv-") as folder:
        listed = Path(folder, "shaders.json")
        listed.write_text(json.dumps([{"code": code, "entry": entry} for code, entry in shaders]))
        checks = "checked" if bounds_checks else "unchecked"
        command = [find_node(), str(SPIRV_PROGRAM), str(tools.webgpu), checks, str(listed)]
        done = run_program(command, TIMEOUT, python_environment(VK_ICD_FILENAMES=str(driver)))
        if done.returncode != 0:
            raise DeviceError(f"tint refuses a shader: {_last_line(done.stderr)}")
        modules, rest = [], done.stdout
        for number in range(len(shaders)):
            text, _, rest = rest.partition(f"\nDONE {number}\n")
            modules.append(_assembled(text.rpartition(BEGIN)[2], Path(folder), tools.assembler))
    return modules


def _assembled(text: str, folder: Path, assembler: Path) -> bytes:
    source, made = folder / "module.spvasm", folder / "module.spv"
    source.write_text(text)
    command = [str(assembler), "--target-env", "vulkan1.2", "-o", str(made), str(source)]
    done = run_program(command, TIMEOUT)
    if done.returncode != 0:
        raise DeviceError(f"spirv-as: {_last_line(done.stderr)}")
    return made.read_bytes()


def compile_for(family: str, modules: Sequence[bytes]) -> list[Compiled]:
    """The SPIR-V modules compiled for a family of AMD's GPUs, by Mesa's name, such as navi21.

    Raises:
        DeviceError: the driver is missing, doesn't know the family, or fails.
    """
    driver = find_driver("radeon_icd*.json", ICD_FOLDERS, "mesa-vulkan-drivers")
    environment = python_environment(
        VK_ICD_FILENAMES=str(driver), RADV_FORCE_FAMILY=family, MESA_SHADER_CACHE_DISABLE="true"
    )
    with tempfile.TemporaryDirectory(prefix="jitweb-radv-") as folder:
        files = [Path(folder, f"{number}.spv") for number in range(len(modules))]
        for file, module in zip(files, modules, strict=True):
            file.write_bytes(module)
        command = python_command(str(RADV_PROGRAM), *map(str, files))
        done = run_program(command, TIMEOUT, environment)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [answer["error"] for answer in answers if "error" in answer]
    if done.returncode != 0 or errors or len(answers) < len(modules):
        raise DeviceError(f"Mesa for {family}: {(errors or [_last_line(done.stderr)])[0]}")
    return [Compiled(**answer) for answer in answers]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it ended without a message"])[-1]
