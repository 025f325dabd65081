from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from endofm.data.manifests import Video, read_clip_list, write_clip_list
from endofm.errors import DataError
from endofm.tasks.pretrain_config import PretrainConfig
from endofm.tasks.probing import read_probe

MakeConfig = Callable[..., PretrainConfig]
Change = Callable[[Video], Video]


def _one_split(video: Video) -> Video:
    return replace(video, split="train")


def _shared_patient(video: Video) -> Video:
    return replace(video, group="patient-0")


def _one_class_to_learn(video: Video) -> Video:
    return replace(video, label="red") if video.split == "train" else video


def _new_class_held_out(video: Video) -> Video:
    return replace(video, label="blue") if video.path.stem == "7" else video


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_one_split, "has no rows of split 'train', or none of 'val' or 'test'; fill"),
        (_shared_patient, "group 'patient-0' is in both 'train' and 'val'; keep"),
        (_one_class_to_learn, "split 'train' has the single label 'red'; two classes"),
        (_new_class_held_out, "label 'blue' is in 'val' but not in 'train'; no neighbour"),
    ],
)
def test_a_list_that_measures_nothing_is_refused(
    change: Change, message: str, make_config: MakeConfig, videos: Path
) -> None:
    path = videos / f"{change.__name__}.csv"
    write_clip_list(path, [change(video) for video in read_clip_list(videos / "clips.csv")])
    with pytest.raises(DataError) as caught:
        read_probe(make_config(probe={"clips": path}))
    assert str(caught.value).startswith(f"{path}: {message}")


def test_train_is_compared_with_what_is_held_out(make_config: MakeConfig, videos: Path) -> None:
    probe = read_probe(make_config(probe={"clips": videos / "clips.csv", "num_neighbours": 3}))
    assert (len(probe.train), len(probe.held_out), probe.split) == (5, 3, "val")
    assert not {c.group for c in probe.train.clips} & {c.group for c in probe.held_out.clips}
