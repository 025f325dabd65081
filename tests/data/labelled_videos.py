"""Small labelled sets for the tests of this folder; ``conftest`` has the fixtures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from endofm.data.manifests import Video

NUM_FRAMES = 9
AddVideo = Callable[..., Path]
MakeLists = Callable[..., Path]


def rows(letters: str, label: int | str) -> str:
    return "".join(f"{letter}.mp4,{label}\n" for letter in letters)


def listed(path: Path, **values: str | float) -> Video:
    return replace(Video(path, NUM_FRAMES, 25.0, 32, 48), **values)  # type: ignore[arg-type]


def grouped(add: AddVideo, num_groups: int, **values: str) -> list[Video]:
    """Two videos a group, groups in turn of class a and b."""
    return [
        listed(add(f"{k}-{j}.mp4"), label="ab"[k % 2], group=f"patient {k}", **values)
        for k in range(num_groups)
        for j in range(2)
    ]


TRAIN = rows("abcde", 0) + rows("fghij", 1)
VAL = rows("kl", 0) + rows("mn", 1)
