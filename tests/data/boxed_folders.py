"""Small sets of frames with boxes on disk, in the layouts that people have."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from endofm.data.boxed import BoxedSet, BoxXYXY
from tests.data.segmented_folders import write_picture

SIZE_HW = (32, 48)
BOX: BoxXYXY = (10, 5, 30, 25)


def write_frame(path: Path, *, size_hw: tuple[int, int] = SIZE_HW, seed: int = 0) -> Path:
    """A noisy picture."""
    rng = np.random.default_rng([seed, *path.name.encode()])
    return write_picture(path, rng.integers(30, 70, (*size_hw, 3)).astype(np.uint8))


def voc_text(
    boxes: Iterable[tuple[str, Sequence[object]]] = (("polyp", (11, 6, 30, 25)),),
    *,
    size_hw: tuple[int, int] = SIZE_HW,
    **tags: str,
) -> str:
    """A Pascal VOC file; by default its box is ``BOX``."""
    head = "".join(f"<{name}>{value}</{name}>" for name, value in tags.items())
    size = f"<size><width>{size_hw[1]}</width><height>{size_hw[0]}</height></size>"
    objects = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(
            f"<{edge}>{value}</{edge}>"
            for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True)
        )
        + "</bndbox></object>"
        for name, edges in boxes
    )
    return f"<annotation>{head}{size}{objects}</annotation>"


def write_voc(
    root: Path,
    name: str,
    text: str | None = None,
    *,
    folders: tuple[str, str] = ("JPEGImages", "Annotations"),
) -> Path:
    """A picture and its file, ``name`` without suffix; gives the file."""
    write_frame(root / folders[0] / f"{name}.jpg")
    path = root / folders[1] / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(voc_text() if text is None else text)
    return path


def write_yolo(
    root: Path, name: str, *lines: str, folders: tuple[str, str] = ("images", "labels")
) -> Path:
    """A picture and its lines; gives the text file."""
    write_frame(root / folders[0] / f"{name}.jpg")
    path = root / folders[1] / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


def coco(
    videos: Mapping[str, int],
    *,
    boxes_xywh: Sequence[Sequence[float]] = ((10, 5, 20, 20),),
    **more: Any,
) -> dict[str, Any]:
    """A COCO set of videos by their number of frames; each frame has the same boxes."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for video_id, (name, num_frames) in enumerate(videos.items()):
        for index in range(num_frames):
            image_id = len(images)
            images.append(
                {
                    "id": image_id,
                    "file_name": f"{name}/{index}.png",
                    "video_id": video_id,
                    "frame_index": index,
                    "width": SIZE_HW[1],
                    "height": SIZE_HW[0],
                }
            )
            annotations += [
                {"image_id": image_id, "category_id": 7, "bbox": list(box), "track_id": k}
                for k, box in enumerate(boxes_xywh)
            ]
    return {
        "videos": [{"id": k, "name": name} for k, name in enumerate(videos)],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 7, "name": "polyp"}],
        **more,
    }


def write_coco(root: Path, content: Mapping[str, Any], name: str = "boxes.json") -> Path:
    """A COCO file with the pictures that it names."""
    root.mkdir(parents=True, exist_ok=True)
    for image in content["images"]:
        write_frame(root / "frames" / image["file_name"])
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def shape(found: BoxedSet) -> dict[str, dict[str, list[int]]]:
    """Boxes in each frame of each sequence, by split."""
    return {
        split: {one.name: [len(frame.boxes_xyxy) for frame in one.frames] for one in sequences}
        for split, sequences in found.splits.items()
    }
