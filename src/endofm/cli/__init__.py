"""The commands, one function each, and what they have in common.

A command's module is imported when the command is called, so that ``endofm --help`` is quick.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version

from endofm.errors import EndofmError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "the whole tour on synthetic clips"),
    "data list": ("data_list", "the public data sets that are known, with their terms"),
    "data unpack": ("data_unpack", "downloaded archives to folders, safely"),
    "data prepare": ("data_prepare", "a downloaded set, or your videos, to clean training data"),
    "data check": ("data_check", "what a training run would trip over, found in advance"),
    "data audit": ("data_audit", "videos that data sets, or splits of one, have in common"),
    "data synth": ("data_synth", "make synthetic endoscopy clips with masks, boxes and labels"),
    "data pack": ("data_pack", "pack videos into tar shards to pre-train on"),
    "data index": ("data_index", "index tar shards that others have packed"),
    "pretrain": ("pretrain", "pre-train a backbone on a folder of videos"),
    "finetune classify": ("finetune_classify", "train a classifier on labelled videos"),
    "finetune segment": ("finetune_segment", "train a segmenter on frames with masks"),
    "finetune detect": ("finetune_detect", "train a detector on frames with boxes"),
    "evaluate": ("evaluate", "score a fine-tuned network on data that it has not seen"),
    "predict": ("predict", "what a fine-tuned network says of new videos, a page for each"),
    "embed": ("embed", "features of videos, to a .npz file"),
    "convert": ("convert", "original checkpoints to safetensors and back"),
    "report": ("report", "a page about one or several runs"),
    "doctor": ("doctor", "what this machine has, what is missing, what to type"),
}
"""Command to (module in this package, what it does)."""

INTERRUPTED = 130
FAILED = 2


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit status.

    0; 1 from a command that found what it looks for; 2 after an error, 130 if interrupted.
    """
    debug = "--debug" in argv
    words = [word for word in argv if word != "--debug"]
    try:
        name, arguments = _split(words)
        if not name:
            print(f"endofm {version('endofm')}" if "--version" in words else _overview())
            return 0
        command: Callable[[list[str]], int | None] = import_module(f"endofm.cli.{name}").main
        return command(arguments) or 0
    except KeyboardInterrupt as interrupt:
        print(": ".join(["interrupted", *interrupt.args]), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if debug:
            raise
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return FAILED


def _split(words: list[str]) -> tuple[str, list[str]]:
    """The command's module and the arguments that follow; no module where help is asked for."""
    for length in (2, 1):
        if (name := " ".join(words[:length])) in COMMANDS:
            return COMMANDS[name][0], words[length:]
    typed = [word for word in words if not word.startswith("-")]
    if typed and not {"-h", "--help"} & set(words):
        group = [name for name in COMMANDS if name.startswith(f"{typed[0]} ")]
        wrong = " ".join(typed[:2]) if group else typed[0]
        raise EndofmError(f"no command {wrong!r}", f"choose {', '.join(group or COMMANDS)}")
    return "", []


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    head = "endofm: foundation models for endoscopy video"
    tail = "endofm COMMAND --help tells more; --debug shows where an error came from"
    return "\n".join([head, "", *rows, "", tail])


def _one_line(error: Exception) -> str:
    if isinstance(error, EndofmError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        cure = "; make room on that disk" if error.errno == errno.ENOSPC else ""
        return f"{where}{error.strerror or error}{cure}"
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text}; --debug shows where, please report it"
