"""Small sets in the folder and file forms of the public ones, with their traps."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from endofm.data.video import write_video

SIZE_HW = (40, 48)


def picture(path: Path, value: int = 90) -> Path:
    """A reddish picture whose brightness tells which it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    grey = np.clip(value + 12 * np.sin(rows / 2) * np.cos(columns / 3), 0, 255)
    bgr = np.stack([grey * 0.4, grey * 0.5, grey], -1).astype(np.uint8)
    cv2.imwrite(str(path), bgr)
    return path


def mask(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lesion = np.zeros(SIZE_HW, np.uint8)
    lesion[10:20, 12:30] = 255
    cv2.imwrite(str(path), lesion)
    return path


def video(path: Path, *, num_frames: int = 20, fps: float = 30.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.linspace(60, 160, num_frames).astype(np.uint8)
    base = np.array([1.0, 0.5, 0.4]) * np.ones((*SIZE_HW, 1))
    write_video(path, [(base * value).astype(np.uint8) for value in values], fps=fps)
    return path


def text(path: Path, lines: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def colonoscopic(root: Path) -> None:
    for lesion in ("hyperplasic_01", "hyperplasic_02", "serrated_01", "adenoma_01"):
        for light in ("WL", "NBI"):
            video(root / "data" / lesion.split("_")[0] / lesion / f"{light}.mp4")


# In order of time; the order of their names is 3, 0, 2, 1.
SUN_NAMES = (
    "case_M_20181001100941_0U62372100109341_1_005_001-1_a2_ayy_image0002.jpg",
    "case_M_20181001100941_0U62372100109341_1_005_001-1_a2_ayy_image0010.jpg",
    "case_M_20181001100941_0U62372100109341_1_005_001-1_a10_ayy_image0001.jpg",
    "case_M_20181001100000_0U62372100109341_1_005_002-1_a1_ayy_image0001.jpg",
)


def sun(root: Path) -> None:
    positive = root / "sundatabase_positive_part1" / "case1"
    negative = root / "SUN-Negative" / "case1"
    for folder in (positive, negative):
        for number, name in enumerate(SUN_NAMES):
            picture(folder / name, 60 + 30 * number)
    boxes = ["10,5,30,25,0", "12,6,31,26,0", "1,2,9,9,0", "4,4,20,20,0"]
    lines = [f"{name} {box}" for name, box in zip(SUN_NAMES, boxes, strict=True)]
    text(root / "annotation_txt" / "case1.txt", lines)


def sun_seg(root: Path) -> None:
    parts = {
        "TrainDataset": ("case1_1", "case60"),
        "TestEasyDataset/Seen": ("case1_2",),
        "TestHardDataset/Unseen": ("case70_3",),
    }
    for part, clips in parts.items():
        base = root / "data" / "SUN-SEG" / part
        images, boxes, classes = [], [], []
        for clip in clips:
            for number, name in enumerate(SUN_NAMES):
                picture(base / "Frame" / clip / name, 60 + 30 * number)
                mask(base / "GT" / clip / Path(name).with_suffix(".png"))
                images.append(
                    {
                        "id": f"{clip}-{Path(name).stem}",
                        "width": 48,
                        "height": 40,
                        "case_name": clip,
                        "file_name": Path(name).stem,
                    }
                )
                boxes.append({"id": images[-1]["id"], "bbox": [12, 10, 18, 10]})
                classes.append(f"{name}\tlow_grade_adenoma")
        text(base / "Classification" / "classification.txt", classes)
        content = json.dumps({"images": images, "annotation": boxes})
        text(base / "Detection" / "bbox_annotation.json", [content])


def ldpolypvideo(root: Path) -> None:
    for part, number in (("TrainValid", "1"), ("Test", "101")):
        for frame in range(1, 13):
            picture(root / part / "Images" / number / f"{frame:04d}.jpg", 60 + 5 * frame)
            lines = ["0"] if frame == 2 else ["1", "4 5 20 30"]
            text(root / part / "Annotations" / number / f"{frame:04d}.txt", lines)
    video(root / "videos with polyps" / "1.avi.mp4")
    video(root / "videos without polyps" / "1.mp4")


def hyper_kvasir(root: Path) -> None:
    base = root / "labeled-videos" / "lower-gi-tract" / "pathological-findings" / "polyps"
    video(base / "Polypp 5.mp4", fps=25)
    video(base / "0f3e6c.mp4", fps=25)
    with (root / "labeled-videos" / "video-labels.csv").open("w", newline="") as file:
        header = ["Video file", "Organ", "Finding 1", "Classification 1", "Finding 2"]
        row = ["Polypp 5", "Lower GI", "Polyp, sessile", "pathological", ""]
        csv.writer(file).writerows([header, row])
    picture(root / "segmented-images" / "images" / "ab.jpg")
    mask(root / "segmented-images" / "masks" / "ab.jpg")
    picture(root / "labeled-images" / "lower-gi-tract" / "cecum" / "x.jpg")


def kvasir_capsule(root: Path) -> None:
    video(root / "labelled_videos" / "04a78ef00c5245e0.mp4")
    video(root / "unlabelled_videos" / "14a78ef00c5245e0.mp4")
    for frame in (10, 11):
        picture(root / "labelled_images" / "Polyp" / f"04a78ef00c5245e0_{frame}.jpg")
    corners = ";".join(f"{axis}{number}" for number in (1, 2, 3, 4) for axis in "xy")
    text(
        root / "metadata.csv",
        [
            f"filename;video_id;frame_number;finding_category;finding_class;{corners}",
            "04a78ef00c5245e0_10.jpg;04a78ef00c5245e0;10;Luminal;Polyp;20;5;30;5;30;25;20;25",
            "04a78ef00c5245e0_11.jpg;04a78ef00c5245e0;11;Luminal;Polyp;;;;;;;;",
        ],
    )


def cholect45(root: Path) -> None:
    for number in ("01", "79", "56"):
        for frame in range(10):
            picture(root / "CholecT45" / "data" / f"VID{number}" / f"{frame:06d}.png")
        text(root / "CholecT45" / "triplet" / f"VID{number}.txt", ["0,1,0"])


def polypdiag(root: Path) -> None:
    for name in ("a b", "c", "d"):
        video(root / "PolypDiag" / "videos" / f"{name}.mp4", num_frames=40)
    text(root / "PolypDiag" / "splits" / "train.txt", ["a b.mp4,1", "gone.mp4,0"])
    text(root / "PolypDiag" / "splits" / "val.txt", ["c.mp4,0"])


def cvc_clinicvideodb(root: Path) -> None:
    for name in ("1", "18"):
        for frame in range(1, 13):
            picture(root / "train" / name / f"{frame}.png", 60 + 5 * frame)
            mask(root / "train" / name / f"{frame}_mask.png")


LAYOUTS = {
    "colonoscopic": colonoscopic,
    "sun": sun,
    "sun-seg": sun_seg,
    "ldpolypvideo": ldpolypvideo,
    "hyper-kvasir": hyper_kvasir,
    "kvasir-capsule": kvasir_capsule,
    "cholect45": cholect45,
    "polypdiag": polypdiag,
    "cvc-clinicvideodb": cvc_clinicvideodb,
}
