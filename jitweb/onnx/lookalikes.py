"""What a file that is not ONNX looks like, and what to do about it.

Downloads fail in a few ways, and other tools save models in a few formats; each begins in its own
way.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import NamedTuple

AGAIN = "download it again, or export the model again"
EXPORT = "export the model to ONNX, for example with torch.onnx.export or optimum-cli"
UNPACK = "unpack it, and name the .onnx file that is in it"
LONGEST_BEGINNING, MOST_SHOWN = 1 << 12, 40


class _Format(NamedTuple):
    begins: bytes
    name: str
    fix: str
    offset: int = 0


FORMATS = (
    _Format(
        b"version https://git-lfs.github.com/",
        "a pointer of Git LFS in the place of the model",
        "fetch the model with git lfs pull, or download it from the repository's page",
    ),
    _Format(b"GGUF", "a model of llama.cpp (GGUF)", EXPORT),
    _Format(b"\x89HDF\r\n", "a model of Keras (HDF5)", "convert it with tf2onnx"),
    _Format(b"TFL3", "a model of TensorFlow Lite", "convert it with tf2onnx", 4),
    _Format(b"ORTM", "in onnxruntime's own format", "use the .onnx file that it was made of", 4),
    _Format(b'{"', "weights alone (safetensors)", EXPORT, 8),
    _Format(b"\x93NUMPY", "an array of NumPy", EXPORT),
    _Format(b"\x80\x02", "a pickle of Python, as torch.save writes it", EXPORT),
    _Format(b"\x80\x04", "a pickle of Python, as torch.save writes it", EXPORT),
    _Format(b"PK\x03\x04", "a zip archive", UNPACK),
    _Format(b"\x1f\x8b", "compressed (gzip)", UNPACK),
    _Format(b"BZh", "compressed (bzip2)", UNPACK),
    _Format(b"\xfd7zXZ", "compressed (xz)", UNPACK),
    _Format(b"\x28\xb5\x2f\xfd", "compressed (zstd)", UNPACK),
    _Format(b"ustar", "a tar archive", UNPACK, 257),
)
PAGES = ("<!doctype html", "<html", "<head", "<?xml")
PAGE_FIX = "download the file itself (on Hugging Face or GitHub with the page's download button)"


def looks_like(content: bytes) -> str:
    """What a file that can't be read as ONNX is, and how to fix it, after "FILE "."""
    beginning = content[:LONGEST_BEGINNING]
    if not content:
        return f"is empty; {AGAIN}"
    for each in FORMATS:
        if beginning.startswith(each.begins, each.offset):
            if b"data.pkl" in beginning:
                return f"is a checkpoint of PyTorch (torch.save); {EXPORT}"
            return f"is {each.name}; {each.fix}"
    if not beginning.strip(b"\0"):
        return f"is zeros where it begins, as after an interrupted download; {AGAIN}"
    return _as_text(beginning) or f"is not an ONNX file, or is damaged or cut short; {AGAIN}"


def _as_text(beginning: bytes) -> str:
    """The same of a text; "" if it is none."""
    try:  # the last character may be cut
        text = getincrementaldecoder("utf-8-sig")().decode(beginning).strip()
    except UnicodeDecodeError:
        return ""
    if text.lower().startswith(PAGES):
        return f"is a web page (HTML) and not a model; {PAGE_FIX}"
    first = text.splitlines()[0] if text else ""
    if not first.isprintable():
        return ""
    shown = first if len(first) <= MOST_SHOWN else f"{first[:MOST_SHOWN]}…"
    return f'is a text and not a model: it begins with "{shown}"; {AGAIN}'
