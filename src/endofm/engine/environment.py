"""What a run ran on: enough to explain a number a year later."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("endofm", "torch", "accelerate", "av", "numpy", "opencv-python-headless", "safetensors")


def describe_environment() -> dict[str, Any]:
    """Versions, machine and command line, as JSON's types."""
    return {
        "command": ["endofm", *sys.argv[1:]] if _is_ours() else sys.argv,
        "python": platform.python_version(),
        # torch itself names its build, such as +cu130; its package does not always
        "packages": {name: _version(name) for name in PACKAGES} | {"torch": str(torch.__version__)},
        "platform": platform.platform(),
        "num_cpus": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "num_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda,
    }


def _is_ours() -> bool:
    """Was the program started as ``endofm`` or ``python -m endofm``?"""
    program = Path(sys.argv[0])
    return program.stem == "endofm" or program.parts[-2:] == ("endofm", "__main__.py")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
