"""Reading PyTorch's ``.pth`` files without running anything that is in them.

Such a file is a pickle: a program that may call any function. Here its calls are listed first
and compared with the few that a checkpoint of numbers needs; only then does PyTorch's restricted
reader, which knows no others either, take the file.
"""

from __future__ import annotations

import io
import pickletools
import re
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from endofm.errors import WeightsError

_NUMPY_NUMBER = re.compile("[<>|=](b1|[iu][1248]|f[248])")  # byte order, kind, bytes
_READING = threading.Lock()  # torch.serialization.safe_globals changes the whole process


class _NumpyType:
    """Stands in for ``numpy.dtype``, whose own unpickling trusts the file."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code
        self.byte_order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.byte_order = state[1]


def _numpy_number(kind: _NumpyType, content: bytes) -> bool | int | float:
    """Stands in for ``numpy.core.multiarray.scalar``: the plain number of the same value."""
    code = kind.byte_order + kind.code
    if not _NUMPY_NUMBER.fullmatch(code):
        raise TypeError(f"no number: {code}")
    (number,) = np.frombuffer(content, code).tolist()
    return number


_STAND_INS: list[Any] = [
    (Namespace, "argparse.Namespace"),
    (_NumpyType, "numpy.dtype"),
    (_numpy_number, "numpy.core.multiarray.scalar"),
    (_numpy_number, "numpy._core.multiarray.scalar"),
]
_STORAGES = ["Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"]
_ALLOWED = {
    "collections.OrderedDict",
    "_codecs.encode",  # how a pickle of protocol 2 spells bytes
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.nn.parameter.Parameter",
    *(f"torch.{name}Storage" for name in _STORAGES),
    *(name for _, name in _STAND_INS),
}


def read_torch_file(path: Path) -> Any:
    """What ``torch.save`` wrote, on the CPU, mapped from the file where its format allows.

    Numpy's scalars, such as the learning rates in the original's optimizer, become plain numbers
    of the same value.

    Raises:
        WeightsError: The file is damaged, or needs more than tensors, ``argparse.Namespace`` and
            plain values. Nothing in it has been run.
    """
    zipped = _starts_with(path, b"PK\x03\x04")
    try:
        foreign = next(
            (name for name in _called(path, zipped=zipped) if name not in _ALLOWED), None
        )
    except Exception as error:  # a damaged pickle raises anything
        raise damaged(path) from error
    if foreign:
        raise WeightsError(
            f"{path} would run {foreign!r}, which weights do not need; nothing in it was run",
            "get the weights as .safetensors, or as a state dict of tensors alone",
        )
    try:
        with _READING, torch.serialization.safe_globals(_STAND_INS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # here too
        raise damaged(path) from error


def _called(path: Path, *, zipped: bool) -> Iterator[str]:
    """Names of the functions and classes that a file's pickles refer to."""
    if zipped:
        # PyTorch's own reader, so that what is checked is what will be read.
        record = torch._C.PyTorchFileReader(str(path)).get_record("data.pkl")
        yield from _globals(io.BytesIO(record))
        return
    with path.open("rb") as stream:
        for _ in range(5):  # magic number, version, system, object, names of the storages
            yield from _globals(stream)
            if not stream.peek(1):
                return


def _globals(stream: BinaryIO) -> Iterator[str]:
    texts = [""]
    memo: dict[Any, str] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in {"GLOBAL", "INST"}:
            yield str(argument).replace(" ", ".", 1)
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif opcode.name.endswith(("PUT", "MEMOIZE")):
            memo[len(memo) if argument is None else argument] = texts[-1]
        elif opcode.name.endswith("GET"):
            texts.append(memo[argument])
        elif isinstance(argument, str):
            texts.append(argument)


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def damaged(path: Path) -> WeightsError:
    """The error for a file that cannot be understood."""
    return WeightsError(
        f"{path} is truncated, damaged or no weights file", "download or copy it again"
    )
