import base64
import csv
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.clip_list import Video, write_clip_list
from endofm.data.frame_quality import ClipQuality
from endofm.errors import DataError, VideoError
from endofm.report import write_dataset_page
from endofm.report.dataset import (
    MAX_THUMBNAILS,
    MAX_WORST,
    part_of,
    parts_of,
    spread_over_groups,
    worst_clips,
)
from endofm.report.dataset_reading import ShownClip, read_dataset

GOOD = ClipQuality(**dict.fromkeys((field.name for field in fields(ClipQuality)), 0.0))
GOOD = replace(GOOD, brightness=0.4, sharpness=0.8, redness=0.5, tissue=1.0)
FACTS: dict[str, Any] = {
    "name": "gut <one>",
    "title": "A gut",
    "terms": "research only",
    "citation": "Someone, 2020",
    "counts": {"videos": 3},
    "dropped": {"black": 5, "out_of_body": 12345},
}


def clip(
    name: str, *, group: str = "", split: str = "", label: str = "", bad: float = 0
) -> ShownClip:
    video = Video(Path(name), 50, 25.0, 48, 64, label=label, split=split, group=group)
    return ShownClip(name, video, replace(GOOD, blurred_share=bad))


def build(folder: Path, clips: list[ShownClip], facts: dict[str, Any] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    videos = []
    for one in clips:
        path = folder / one.video.path
        path.write_bytes(b"a video")
        videos.append(replace(one.video, path=path))
    write_clip_list(folder / "clips.csv", videos)
    with (folder / "quality.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [
            {"path": one.name, **one.quality.as_dict()} for one in clips if one.quality is not None
        ]
        writer = csv.DictWriter(file, ["path", *(field.name for field in fields(ClipQuality))])
        writer.writeheader()
        writer.writerows(rows)
    if facts is not None:
        (folder / "PREPARED.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def frame_of(path: Path, number: int) -> NDArray[np.uint8]:
    """A frame that can be told by its colour: red grows with the clip's number."""
    frame = np.zeros((48, 64, 3), dtype=np.uint8)
    frame[..., 0] = int("0" + re.sub(r"\D", "", path.stem)) * 10
    frame[..., 1] = number
    return frame


def test_the_page_says_how_much_there_is(tmp_path: Path) -> None:
    clips = [
        clip("1.mp4", group="a", split="train", label="polyp"),
        clip("2.mp4", group="a", split="train", label="polyp"),
        clip("3.mp4", group="b", split="test", label="none", bad=0.5),
    ]
    page = write_dataset_page(build(tmp_path / "set", clips, FACTS), read_frame=frame_of)
    assert page == tmp_path / "set" / "dataset.html"
    text = page.read_text(encoding="utf-8")
    for said in (
        *("gut &lt;one&gt;", "A gut", "research only", "Someone, 2020", "counts.videos"),
        *("12,345", "out of body", "150", "6.0 s", "3.mp4"),
    ):
        assert said in text, said
    assert "<one>" not in text
    assert "16.7 % blurred" in text  # a third of the frames, half of them
    assert re.search(r"<td>test</td><td>none</td><td>1</td>\s*<td>1</td><td>50</td>", text)
    assert re.search(r"<td>train</td><td>polyp</td><td>2</td>\s*<td>1</td><td>100</td>", text)
    links = re.findall(r"(?:src|href)=\"([^\"]*)\"", text)
    assert links
    assert all(link.startswith("data:image/") for link in links)
    assert "<script" not in text


def test_the_contact_sheet_shows_middle_frames(tmp_path: Path) -> None:
    folder = build(tmp_path / "set", [clip("7.mp4"), clip("12.mp4")])
    text = write_dataset_page(folder, read_frame=frame_of).read_text(encoding="utf-8")
    shown = []
    for coded in re.findall(r"data:image/jpeg;base64,([^\"]+)", text):
        packed = np.frombuffer(base64.b64decode(coded), dtype=np.uint8)
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB)
        assert picture is not None
        assert picture.shape == (96, 128, 3)
        shown.append(picture.mean(axis=(0, 1)))
    assert np.array(shown) == pytest.approx(np.array([[70, 25, 0], [120, 25, 0]]), abs=3)


def test_a_data_set_without_facts_labels_or_flags(tmp_path: Path) -> None:
    folder = build(tmp_path / "plain", [clip("1.mp4")])
    text = write_dataset_page(folder, read_frame=frame_of).read_text(encoding="utf-8")
    assert "<h1>plain</h1>" in text
    assert "No clip has any" in text
    assert "Frames left out" not in text
    assert "Terms of use" not in text


def test_what_is_lacking_is_told_on_the_page(tmp_path: Path) -> None:
    def broken(path: Path, number: int) -> NDArray[np.uint8]:
        if path.stem == "2":
            raise VideoError(f"{path.name} is <cut> short")
        return frame_of(path, number)

    clips = [clip("1.mp4"), clip("2.mp4"), replace(clip("3.mp4"), quality=None)]
    text = write_dataset_page(build(tmp_path / "s", clips), read_frame=broken).read_text("utf-8")
    assert "2.mp4 is &lt;cut&gt; short" in text
    assert "1 clips have no row" in text
    assert text.count("data:image/jpeg") == 2
    unmeasured = [replace(one, quality=None) for one in clips]
    folder = build(tmp_path / "s", unmeasured)
    assert "Sharpness of" not in write_dataset_page(folder, read_frame=frame_of).read_text("utf-8")


def test_facts_of_any_kind_do_no_harm(tmp_path: Path) -> None:
    odd = {"name": 3, "dropped": [1], "terms": {"a": None}, "x": [{"y": 1}], "z": "<script>"}
    folder = build(tmp_path / "odd", [clip("1.mp4")], odd)
    text = write_dataset_page(folder, read_frame=frame_of).read_text(encoding="utf-8")
    assert "<script" not in text
    zero = build(tmp_path / "odd", [clip("1.mp4")], {"dropped": {"black": 0, "what": "x"}})
    assert "black" in write_dataset_page(zero, read_frame=frame_of).read_text(encoding="utf-8")


def test_parts_add_up_to_the_whole() -> None:
    clips = [
        clip(f"{n}.mp4", group=f"g{n % 7}", split="ab"[n % 2], label="xyz"[n % 3])
        for n in range(40)
    ]
    parts, whole = parts_of(clips), part_of(clips, "", "")
    assert len(parts) == 6
    for name in ("num_clips", "num_frames", "duration_s"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    assert whole.num_videos == 7
    assert whole.duration_s == 80


def test_the_worst_come_first() -> None:
    clips = [clip(f"{n}.mp4", bad=(n * 7 % 30) / 30) for n in range(30)]
    worst, number = worst_clips(clips)
    shares = [one.quality.blurred_share for one in worst if one.quality]
    assert number == 29
    assert len(worst) == MAX_WORST
    assert shares == sorted((n / 30 for n in range(30)), reverse=True)[:MAX_WORST]


@pytest.mark.parametrize("sizes", [[3], [1] * 200, [100, 1, 1], [20, 20, 20, 20], [70, 30]])
def test_the_contact_sheet_is_spread_over_groups(sizes: list[int]) -> None:
    clips = [
        clip(f"{g}-{n}.mp4", group=str(g)) for g, size in enumerate(sizes) for n in range(size)
    ]
    chosen = spread_over_groups(clips, MAX_THUMBNAILS)
    assert len(chosen) == min(MAX_THUMBNAILS, len(clips)) == len({one.name for one in chosen})
    shares = [
        sum(one.video.group == str(g) for one in chosen) for g in range(min(len(sizes), 1000))
    ]
    for size, share in zip(sizes, shares, strict=True):
        assert share == size or share >= max(shares) - 1  # all of it, or as much as any
    for g, size in enumerate(sizes):
        places = [int(one.name[:-4].split("-")[1]) for one in chosen if one.video.group == str(g)]
        gaps = np.diff([-1, *places, size])
        assert not places or gaps.max() <= 2 * gaps[1:-1].min(initial=size)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("clips.csv", None, "holds no clips.csv"),
        ("clips.csv", "path,num_frames,fps,height,width\n", "lists no clip"),
        ("clips.csv", "path\n", "has no column"),
        ("quality.csv", None, "cannot be read as a table"),
        ("quality.csv", "a,b\n1,2\n", "no column path"),
        ("quality.csv", "path,brightness\n1.mp4,x\n", "row 2: brightness is 'x'"),
        ("quality.csv", "path,brightness\n1.mp4,nan\n", "row 2: brightness is 'nan'"),
        ("quality.csv", "path,brightness\n1.mp4,0.5\n", "row 2: dark is None"),
        ("PREPARED.json", "{", "damaged"),
        ("PREPARED.json", "[]", "no facts but list"),
        ("PREPARED.json", "[" * 100_000, "damaged"),
    ],
)
def test_damaged_files_are_told(tmp_path: Path, name: str, content: str | None, told: str) -> None:
    folder = build(tmp_path / "set", [clip("1.mp4")], FACTS)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=told) as caught:
        write_dataset_page(folder, read_frame=frame_of)
    assert caught.value.hint
    assert not (folder / "dataset.html").exists()


def test_names_that_are_no_text_can_be_shown(tmp_path: Path) -> None:
    folder = build(tmp_path / "set", [clip("1.mp4")])
    odd = b"x\xe9 1.mp4".decode("utf-8", "surrogateescape")
    try:
        (folder / "1.mp4").rename(folder / odd)
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    for table in ("clips.csv", "quality.csv"):
        old = (folder / table).read_bytes()
        (folder / table).write_bytes(old.replace(b"1.mp4", b"x\xe9 1.mp4"))
    assert read_dataset(folder).clips[0].quality is not None
    text = write_dataset_page(folder, read_frame=frame_of).read_text(encoding="utf-8")
    assert "x\N{REPLACEMENT CHARACTER} 1.mp4" in text
