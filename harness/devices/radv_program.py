"""Compiles compute shaders for an AMD GPU that is not there, and prints what the compiler made.

    python radv_program.py FILE.spv... < /dev/null

A program of its own, without packages: Mesa's driver runs in this process and may take it down.
RADV_FORCE_FAMILY names the GPU and VK_ICD_FILENAMES the driver. For each SPIR-V module it prints a
line of JSON: `statistics` (the driver's own, by name) and `assembly`, or `error`.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Words = tuple[int, ...]

# Of Vulkan's header: the structures that are used here, by VkStructureType.
APPLICATION, INSTANCE, QUEUE, DEVICE, MODULE, STAGE = 0, 1, 2, 3, 16, 18
COMPUTE_PIPELINE, PIPELINE_LAYOUT, SET_LAYOUT = 29, 30, 32
FEATURES_1_1, FEATURES_1_2, FEATURES_1_3, FEATURES = 49, 51, 53, 1000059000
EXECUTABLE_FEATURES, PIPELINE, EXECUTABLE = 1000269000, 1000269001, 1000269003
STATISTIC, REPRESENTATION = 1000269004, 1000269005
# How many flags each structure of features has.
FLAGS = {FEATURES: 55, FEATURES_1_1: 12, FEATURES_1_2: 47, FEATURES_1_3: 15, EXECUTABLE_FEATURES: 1}
VERSION_1_3 = 1 << 22 | 3 << 12
CAPTURE = 0x40 | 0x80  # statistics and internal representations
COMPUTE = 0x20
UNIFORM_BUFFER, STORAGE_BUFFER = 6, 7
STATISTIC_SIZE, REPRESENTATION_SIZE, NAME_SIZE = 544, 552, 256

# Of SPIR-V: its magic number, opcodes, decorations and storage classes.
MAGIC, ENTRY_POINT, VARIABLE, DECORATE, BINDING, SET = 0x07230203, 15, 59, 71, 33, 34
UNIFORM, STORAGE = 2, 12


class VulkanError(Exception):
    """A function of Vulkan failed."""


class Vulkan:
    """A device without hardware. Structures are packed by hand and kept alive for its life."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libvulkan.so.1")
        self.kept: list[Any] = []
        application = self.record(APPLICATION, "PIPII", 0, 0, 0, 0, VERSION_1_3)
        instance = self.record(INSTANCE, "IPIPIP", 0, application, 0, 0, 0, 0)
        self.instance = self.made("vkCreateInstance", instance)
        self.physical = self._first_device()
        priority = self.keep(struct.pack("f", 1.0))
        queue = self.record(QUEUE, "IIIP", 0, 0, 1, priority)
        extension = self.keep(b"VK_KHR_pipeline_executable_properties\0")
        extensions = self.keep(struct.pack("P", extension))
        device = self.record(
            DEVICE, "IIPIPIPP", 0, 1, queue, 0, 0, 1, extensions, 0, after=self._all_features()
        )
        self.device = self.made("vkCreateDevice", device, of=self.physical)

    def keep(self, data: bytes) -> int:
        """The address of a copy of the data."""
        copy = ctypes.create_string_buffer(data, len(data))
        self.kept.append(copy)
        return ctypes.addressof(copy)

    def record(self, kind: int, form: str, *values: int, after: int = 0) -> int:
        """The address of a structure of this type; `after` is the next one of its chain."""
        return self.keep(struct.pack("@iP" + form + "0P", kind, after, *values))

    def call(self, name: str, *arguments: Any) -> None:
        function = getattr(self.library, name, None) or self._of_extension(name)
        result = function(*arguments)
        if result < 0:
            raise VulkanError(f"{name} returned {result}")

    def _of_extension(self, name: str) -> Any:
        find = self.library.vkGetDeviceProcAddr
        find.restype = ctypes.c_void_p
        address = find(ctypes.c_void_p(self.device), name.encode())
        return ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(address)

    def made(self, name: str, record: int, of: int | None = None) -> int:
        """The handle that a function vkCreate… returns."""
        handle = ctypes.c_uint64()
        first = [] if of is None else [ctypes.c_void_p(of)]
        self.call(name, *first, ctypes.c_void_p(record), None, ctypes.byref(handle))
        return handle.value

    def _first_device(self) -> int:
        count, handle = ctypes.c_uint32(1), ctypes.c_uint64()
        instance = ctypes.c_void_p(self.instance)
        self.call("vkEnumeratePhysicalDevices", instance, ctypes.byref(count), ctypes.byref(handle))
        if not count.value:
            raise VulkanError("the driver has no device")
        return handle.value

    def _all_features(self) -> int:
        """Structures of features, with all that the device has but for checks of bounds."""
        address = 0
        for kind, flags in reversed(FLAGS.items()):
            address = self.record(kind, f"{flags}I", *[0] * flags, after=address)
        query = self.library.vkGetPhysicalDeviceFeatures2
        query.restype = None
        query(ctypes.c_void_p(self.physical), ctypes.c_void_p(address))
        bounds_checks = ctypes.c_uint32.from_address(address + 16)
        bounds_checks.value = 0
        return address

    def pipeline(self, words: Words) -> int:
        """A compute pipeline of the SPIR-V module, with what the compiler says of it kept."""
        entry, bindings = interface(words)
        code = struct.pack(f"{len(words)}I", *words)
        module = self.made(
            "vkCreateShaderModule",
            self.record(MODULE, "INP", 0, len(code), self.keep(code)),
            of=self.device,
        )
        sets = []
        for number in range(max((each[0] for each in bindings), default=0) + 1):
            slots = b"".join(
                struct.pack("@IIIIP", binding, kind, 1, COMPUTE, 0)
                for place, binding, kind in bindings
                if place == number
            )
            layout = self.record(SET_LAYOUT, "IIP", 0, len(slots) // 24, self.keep(slots))
            sets.append(self.made("vkCreateDescriptorSetLayout", layout, of=self.device))
        listed = self.keep(struct.pack(f"{len(sets)}Q", *sets))
        layout = self.record(PIPELINE_LAYOUT, "IIPIP", 0, len(sets), listed, 0, 0)
        layout = self.made("vkCreatePipelineLayout", layout, of=self.device)
        name = self.keep(entry + b"\0")
        stage = struct.pack("@iPIIQPP", STAGE, 0, 0, COMPUTE, module, name, 0)
        made = struct.pack("@iPI4x48sQQi4x", COMPUTE_PIPELINE, 0, CAPTURE, stage, layout, 0, -1)
        handle = ctypes.c_uint64()
        self.call(
            "vkCreateComputePipelines", ctypes.c_void_p(self.device), ctypes.c_uint64(0), 1,
            ctypes.c_void_p(self.keep(made)), None, ctypes.byref(handle),
        )  # fmt: skip
        return handle.value

    def described(self, pipeline: int, what: str, kind: int, size: int) -> list[bytearray]:
        """The structures that vkGetPipelineExecutable… fills in for the pipeline."""
        asked = self.record(EXECUTABLE, "QI", pipeline, 0)
        count = ctypes.c_uint32()
        name = f"vkGetPipelineExecutable{what}KHR"
        where = (ctypes.c_void_p(self.device), ctypes.c_void_p(asked), ctypes.byref(count))
        self.call(name, *where, None)
        head = struct.pack("@iP", kind, 0)
        entries = bytearray(b"".join(head.ljust(size, b"\0") for _ in range(count.value)))
        view = (ctypes.c_char * len(entries)).from_buffer(entries)
        self.call(name, *where, view)
        if kind == REPRESENTATION:  # asked for its length; now for its text
            for number in range(count.value):
                (length,) = struct.unpack_from("N", entries, (number + 1) * size - 16)
                text = ctypes.create_string_buffer(length)
                self.kept.append(text)
                struct.pack_into("P", entries, (number + 1) * size - 8, ctypes.addressof(text))
            self.call(name, *where, view)
        del view
        return [entries[place : place + size] for place in range(0, len(entries), size)]

    def statistics(self, pipeline: int) -> dict[str, float]:
        found = {}
        for each in self.described(pipeline, "Statistics", STATISTIC, STATISTIC_SIZE):
            form = {0: "I", 1: "q", 2: "Q", 3: "d"}[struct.unpack_from("i", each, 528)[0]]
            found[_text(each[16:])] = struct.unpack_from(form, each, 536)[0]
        return found

    def assembly(self, pipeline: int) -> str:
        found = self.described(
            pipeline, "InternalRepresentations", REPRESENTATION, REPRESENTATION_SIZE
        )
        for each in found:
            if "Assembly" in _text(each[16:]):
                return ctypes.string_at(struct.unpack_from("P", each, 544)[0]).decode()
        raise VulkanError("the driver shows no assembly")


def _text(data: bytearray) -> str:
    return bytes(data[:NAME_SIZE]).partition(b"\0")[0].decode()


def interface(words: Words) -> tuple[bytes, list[tuple[int, int, int]]]:
    """The entry point's name, and the set, number and kind of each binding of a SPIR-V module."""
    entry, numbers, sets, kinds = b"", {}, {}, {}
    for opcode, operands in instructions(words):
        if opcode == ENTRY_POINT:
            entry = struct.pack(f"{len(operands) - 2}I", *operands[2:]).partition(b"\0")[0]
        elif opcode == DECORATE and operands[1] == BINDING:
            numbers[operands[0]] = operands[2]
        elif opcode == DECORATE and operands[1] == SET:
            sets[operands[0]] = operands[2]
        elif opcode == VARIABLE and operands[2] in (UNIFORM, STORAGE):
            kinds[operands[1]] = UNIFORM_BUFFER if operands[2] == UNIFORM else STORAGE_BUFFER
    return entry, [(sets[name], numbers[name], kind) for name, kind in kinds.items()]


def instructions(words: Words) -> Iterator[tuple[int, Sequence[int]]]:
    """The opcode and operands of each instruction of a SPIR-V module."""
    if words[:1] != (MAGIC,):
        raise VulkanError("it is not a SPIR-V module")
    place = 5
    while place < len(words):
        count = words[place] >> 16
        yield words[place] & 0xFFFF, words[place + 1 : place + count]
        place += max(count, 1)


def main(paths: Sequence[str]) -> None:
    vulkan = Vulkan()
    channel = sys.stdout.buffer  # a pipe, whose lines are read as JSON
    for path in paths:
        data = Path(path).read_bytes()
        try:
            pipeline = vulkan.pipeline(struct.unpack(f"<{len(data) // 4}I", data))
            made = {
                "statistics": vulkan.statistics(pipeline),
                "assembly": vulkan.assembly(pipeline),
            }
        except VulkanError as error:
            made = {"error": str(error)}
        channel.write(json.dumps(made).encode() + b"\n")
        channel.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
