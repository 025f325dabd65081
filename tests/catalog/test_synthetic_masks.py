from pathlib import Path

import numpy as np
import pytest

from endofm.catalog.synthetic_dataset import write_dataset
from endofm.catalog.synthetic_masks import write_segmented_set
from endofm.data.images import read_image
from endofm.data.masks import read_mask
from endofm.data.segmented_search import find_sequences
from endofm.data.video import open_video


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic")
    write_dataset(root, num_clips=6, num_patients=3, num_frames=9, size_px=48, seed=0)
    return root


def test_frames_are_the_videos_and_masks_the_clips(root: Path) -> None:
    seen: list[int] = []
    found = find_sequences(
        write_segmented_set(root, every_frames=4, progress=lambda done, _: seen.append(done))
    )
    sequences = [sequence for part in found.values() for sequence in part]
    assert (len(sequences), seen) == (6, [1, 2, 3, 4, 5, 6])
    assert len({sequence.group for sequence in sequences}) == 3
    for sequence in sequences:
        assert [frame.stem for frame in sequence.frames] == ["000000", "000004", "000008"]
        with open_video(root / "videos" / f"{sequence.name}.mp4") as reader:
            expected = reader.frames([0, 4, 8])
        for frame, picture in zip(sequence.frames, expected, strict=True):
            assert np.array_equal(read_image(frame), picture)
        for frame, mask in zip(sequence.frames, sequence.masks, strict=True):
            stored = read_mask(root / "masks" / sequence.name / f"{frame.stem}.png")
            assert np.array_equal(read_mask(mask), stored)


def test_clips_of_one_label_alone(root: Path) -> None:
    found = find_sequences(write_segmented_set(root, every_frames=9, label="adenoma"))
    names = [sequence.name for part in found.values() for sequence in part]
    assert 0 < len(names) < 6
    rows = (root / "clips.csv").read_text().splitlines()
    assert names == [row.split(",")[0][7:-4] for row in rows if ",adenoma," in row]
