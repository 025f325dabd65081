"""Where weights come from: a file, a run, one of its checkpoints, or the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors

from endofm.errors import WeightsError
from endofm.runfolder import RunFolder

NETWORKS = ("teacher", "student")
"""The two networks of a pre-training."""
CLASSIFIER = "classifier"
SEGMENTER = "segmenter"
DETECTOR = "detector"
TASK_NETWORKS = (CLASSIFIER, SEGMENTER, DETECTOR)
"""The network of a fine-tuning, by its task."""
_HUB_FILE = "model.safetensors"
_HUB_ID = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(/(?P<file>[\w.-]+\.safetensors))?"
)
_FILE_SUFFIXES = {".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors"}


def locate(source: str | Path) -> Path:
    """The file or the checkpoint folder that ``source`` stands for.

    Args:
        source: A weights file; a run folder, which stands for its best checkpoint or, where none
            is marked so, its newest; a checkpoint
            folder; or a Hub id, ``org/name`` or ``org/name/file.safetensors``. Text that names
            something here, or looks as if it should, is never sent to the Hub.

    Raises:
        WeightsError: There is nothing of that name.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return _checkpoint(path)
    if path.exists():
        return path
    match = _HUB_ID.fullmatch(str(source)) if isinstance(source, str) else None
    if match is None or _looks_local(path):
        raise WeightsError(
            f"{source}: no such file or folder",
            "check the path: a run's folder, a weights file or OWNER/NAME on the Hub is wanted",
        )
    return _download(match["repository"], match["file"] or _HUB_FILE)


def network_files(checkpoint: Path) -> dict[str, Path]:
    """The weights of a checkpoint folder by network."""
    files = {name: checkpoint / f"{name}.safetensors" for name in (*NETWORKS, *TASK_NETWORKS)}
    return {name: file for name, file in files.items() if file.is_file()}


def _looks_local(path: Path) -> bool:
    names_file = len(path.parts) == 2 and path.suffix in _FILE_SUFFIXES
    return names_file or Path(path.parts[0]).exists()


def _checkpoint(folder: Path) -> Path:
    checkpoints = RunFolder(folder).checkpoints
    marked = [checkpoints / name for name in ("best", "last") if (checkpoints / name).is_dir()]
    checkpoint = marked[0] if marked else checkpoints if checkpoints.is_dir() else folder
    if not network_files(checkpoint):
        raise WeightsError(
            f"{folder} holds no finished checkpoint",
            "name a weights file, a run folder or a folder checkpoints/step-N of one",
        )
    return checkpoint


def _download(repository: str, file: str) -> Path:
    where = f"{repository}: no such path here"
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file))
    except errors.GatedRepoError:
        message = f"{where}, and the Hub asks for permission"
        hint = f"ask for access at huggingface.co/{repository}, then run hf auth login"
    except errors.RepositoryNotFoundError:
        message = f"{where}, and none of that name on the Hub"
        hint = "check the name; for a private repository run hf auth login"
    except errors.RemoteEntryNotFoundError:
        message = f"{where}, and on the Hub it has no {file}"
        hint = f"name one of its files, {repository}/FILE.safetensors"
    except (OSError, ValueError, errors.EntryNotFoundError):
        message = f"{where}, and the Hub cannot be reached"
        hint = "check the path or the connection, or download the file elsewhere"
    raise WeightsError(message, hint)
