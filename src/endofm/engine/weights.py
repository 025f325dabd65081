"""Weights in: any checkpoint we know becomes a backbone. Weights out: safetensors.

Axes: D channels, T frames, P patches a frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from endofm.engine.key_names import State
from endofm.engine.layouts import (
    architecture,
    by_our_names,
    has_blocks,
    inflate,
    is_image,
    recognise,
    select_state,
    split_network,
)
from endofm.engine.sources import locate, network_files
from endofm.engine.structure import separate, unflatten
from endofm.engine.torch_file import damaged, read_torch_file
from endofm.errors import WeightsError
from endofm.files import replacing
from endofm.models.timesformer import TimeSformer

STRUCTURE = "structure"
"""Key in a file's metadata for what ``flatten`` leaves beside the tensors."""


def load_backbone(source: str | Path, *, network: str = "teacher", **overrides: Any) -> TimeSformer:
    """A TimeSformer in eval mode, float32, on the CPU, built to the shapes of its weights.

    Args:
        source: An original ``.pth``, our ``.safetensors``, a run folder, or a Hub id such as
            ``org/name``.
        network: ``teacher`` or ``student``, where the source holds both.
        **overrides: Arguments of ``TimeSformer`` that take the place of the inferred ones.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or of another model.
    """
    state = backbone_state(source, network=network)
    with torch.device("meta"):  # no time spent on initial values
        backbone = TimeSformer(**architecture(state, overrides, source=source))
    load_state(backbone, state, source=source)
    return backbone.eval()


def backbone_state(source: str | Path, *, network: str = "teacher") -> State:
    """The backbone's tensors by our names, which are the original's.

    An image ViT (DINO) is inflated to video: the temporal attention and its norm start as copies
    of the spatial ones, ``temporal_fc`` and ``time_embed`` at zero (TimeSformer, Bertasius et
    al. 2021, §4). The tensors may be mapped from the file: copy what you keep.

    Args:
        source: See ``load_backbone``.
        network: ``teacher`` or ``student``, where the source holds both.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, not finite, or of another model.
    """
    return networks_in(read_checkpoint(source), network, source=source)[0]


def network_state(source: str | Path, *, network: str = "teacher") -> State:
    """What pre-training starts from: ``backbone.*`` and, where the source has one, ``head.*``.

    Args:
        source: See ``load_backbone``.
        network: ``teacher`` or ``student``, where the source holds both.

    Raises:
        WeightsError: As for ``backbone_state``.
    """
    backbone, head = networks_in(read_checkpoint(source), network, source=source)
    return {
        **{f"backbone.{key}": value for key, value in backbone.items()},
        **{f"head.{key}": value for key, value in head.items()},
    }


def networks_in(
    tree: Mapping[Any, Any], network: str, *, source: str | Path
) -> tuple[State, State]:
    """Backbone and DINO head of a checkpoint, checked; the head is empty where there is none.

    Args:
        tree: As from ``read_checkpoint``.
        network: ``teacher`` or ``student``, where the checkpoint holds both.
        source: Where it is from, for messages.

    Raises:
        WeightsError: There is no such network, its tensors are not finite, or it is another model.
    """
    if recognise(tree) == "segmenter":
        raise WeightsError(
            f"{source} is a segmenter, whose backbone sees the maps of its stem, not pixels",
            "load it with task='segment', or train from it with endofm finetune segment",
        )
    state = by_our_names(select_state(tree, network, source=source))
    backbone, head = split_network(state)
    if not has_blocks(backbone):
        keys = ", ".join(map(str, list(state or tree)[:3])) or "none"
        raise WeightsError(
            f"{source} holds no TimeSformer backbone; found keys such as {keys}",
            "give a checkpoint of Endo-FM, SVT or DINO, or one of ours",
        )
    broken = [key for key, value in {**backbone, **head}.items() if not _is_finite(value)]
    if broken:
        raise WeightsError(
            f"{source}: NaN or infinity in {len(broken)} tensors, the first {broken[0]}",
            "take an earlier checkpoint",
        )
    return inflate(backbone, source=source) if is_image(backbone) else backbone, head


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, source: str | Path) -> None:
    """Copy ``state`` into every parameter and buffer of ``module``, which may be on ``meta``.

    Types and devices become the module's; a module on ``meta`` comes to the tensors' device.

    Raises:
        WeightsError: A key is missing or too many, or a shape differs.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    reshaped = [
        f"{key} {_shape(state[key])} for {_shape(own[key])}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", reshaped),
        )
        if keys
    ]
    if problems:
        raise WeightsError(
            f"{source} does not fit {type(module).__name__}: {', '.join(problems)}",
            "these weights belong to another model, or to another size of it",
        )
    on_meta = any(value.is_meta for value in own.values())
    # Copies on meta too, because the tensors may be mapped from a file that changes later.
    values = {key: state[key].to(own[key].dtype, copy=on_meta) for key in own}
    module.load_state_dict(values, assign=on_meta)


def read_checkpoint(source: str | Path) -> dict[Any, Any]:
    """Everything a weights file holds, as nested dictionaries; nothing in it is run.

    A checkpoint folder of ours gives its ``teacher`` and ``student``.

    Args:
        source: See ``load_backbone``.

    Raises:
        WeightsError: The source is missing, unsafe or damaged.
    """
    path = locate(source)
    if path.is_dir():
        return {name: _read_safetensors(file) for name, file in network_files(path).items()}
    try:
        _refuse_impostor(path)
        tree = _read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read ({error.strerror})", "check its permissions and its disk"
        ) from error
    if not isinstance(tree, dict):
        raise WeightsError(
            f"{path} holds a {type(tree).__name__}, not a checkpoint", "save a state dict"
        )
    return tree


def save_weights(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    kind: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors as safetensors in one step: a kill leaves the old file or the new one.

    Args:
        path: The file to write.
        tensors: By name.
        kind: What they are, such as ``backbone`` or ``view_network``.
        metadata: Further text for the file's header.

    Raises:
        WeightsError: The file cannot be written, for example because the disk is full.
    """
    header = {**(metadata or {}), "format": "endofm", "kind": kind}
    with writing(path) as draft:
        save_file(separate(tensors), draft, header)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Like ``replacing``, with one line for a disk that is full and the like.

    Raises:
        WeightsError: The body could not write; nothing is left behind.
    """
    try:
        with replacing(path) as draft:
            yield draft
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise WeightsError(
            f"{path} cannot be written ({reason})", "make room or name another place"
        ) from error


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Fingerprint of names, types, shapes and bytes, whatever the order and the file format."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _is_finite(tensor: Tensor) -> bool:
    if tensor.numel() == 0:
        return True
    # Both ends are NaN where any value is; ten times as fast as a mask of all values.
    low, high = tensor.aminmax()
    return bool(low.isfinite() & high.isfinite())


def _refuse_impostor(path: Path) -> None:
    """Name the usual files that bear the name of weights and are none."""
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    if not head:
        raise WeightsError(f"{path} is empty", "download or copy it again")
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{path} is a git-LFS pointer, not the weights", "run git lfs pull")
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise WeightsError(
            f"{path} is a web page, not the weights",
            "the link leads to a page about the file: download from there with a browser",
        )


def _read_safetensors(path: Path) -> Any:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise damaged(path) from error
    if STRUCTURE not in metadata:
        return tensors
    try:
        return unflatten(tensors, metadata[STRUCTURE])
    except WeightsError as error:
        raise damaged(path) from error


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
