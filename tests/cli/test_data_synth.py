"""What ``endofm data synth`` leaves on disk."""

from pathlib import Path

import pytest

from endofm.cli import data_synth
from endofm.data.segmented_search import find_sequences

WORDS = ["--num-clips", "4", "--num-patients", "4", "--num-frames", "5", "--size-px", "48"]


def test_every_frames_gives_what_a_segmenter_trains_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "synthetic"
    data_synth.main(["--out", str(out), "--every-frames", "2", "--num-workers", "0", *WORDS])
    sequences = [one for found in find_sequences(out / "segmented").values() for one in found]
    assert [len(one.frames) for one in sequences] == [3] * 4
    assert "frames and masks for: endofm finetune segment --data" in capsys.readouterr().out


def test_without_it_there_are_clips_alone(tmp_path: Path) -> None:
    out = tmp_path / "synthetic"
    data_synth.main(["--out", str(out), "--num-workers", "0", *WORDS])
    assert (out / "clips.csv").is_file()
    assert not (out / "segmented").exists()
