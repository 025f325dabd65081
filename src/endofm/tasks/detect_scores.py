"""What a detector says of sequences: every frame exactly once, as a stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from endofm.boxes import Detections
from endofm.data.boxed import BoxedSequence
from endofm.data.boxed_frames import read_frame
from endofm.errors import RunError
from endofm.metrics.average_precision import average_precision
from endofm.metrics.detection import ScoredFrame
from endofm.models import Detector
from endofm.tasks.detect_config import FrameSettings, ReferenceSettings
from endofm.tasks.detect_stream import DetectionStream, detect_all
from endofm.tasks.sharing import evaluating, gather, own_places

Progress = Callable[[int, int], object]


def scored_frames(
    detector: Detector,
    sequences: Sequence[BoxedSequence],
    *,
    frames: FrameSettings,
    references: ReferenceSettings,
    accelerator: Accelerator,
    progress: Progress | None = None,
) -> list[ScoredFrame]:
    """Every frame of the sequences in order; each process must call this, and gets all of them.

    Args:
        detector: On any device.
        sequences: What to look at, each as a video of its own.
        frames: How frames are seen.
        references: Which frames help with one.
        accelerator: Processes share the sequences.
        progress: Called with (frames done, frames of this process).

    Raises:
        DataError: A frame cannot be read, or has another size than those before it.
    """
    own = own_places(len(sequences), accelerator)
    num_own = sum(len(sequences[index].frames) for index in own)
    stream = DetectionStream(detector, frames=frames, references=references)
    results: list[tuple[int, int, ScoredFrame]] = []
    with evaluating(detector):
        for index in own:
            for place, scored in enumerate(_of_sequence(stream, sequences[index])):
                results.append((index, place, scored))
                if progress is not None:
                    progress(len(results), num_own)
    everyone = sorted(gather(results, accelerator), key=lambda one: one[:2])
    expected = [(k, t) for k, one in enumerate(sequences) for t in range(len(one.frames))]
    if [(k, t) for k, t, _ in everyone] != expected:
        raise RunError(
            f"{len(everyone)} scores for {len(expected)} frames", "please report this as a bug"
        )
    return [scored for _, _, scored in everyone]


def validation_scores(
    detector: Detector,
    sequences: Sequence[BoxedSequence],
    *,
    frames: FrameSettings,
    references: ReferenceSettings,
    num_classes: int,
    accelerator: Accelerator,
) -> dict[str, float]:
    """How good the network is while it trains; each process must call this, and gets the same.

    Returns:
        ``ap50``, the mean over classes of AP at an IoU of 0.5; 0 where there is no box.
    """
    found = scored_frames(
        detector, sequences, frames=frames, references=references, accelerator=accelerator
    )
    ap50 = average_precision(found, num_classes=num_classes).ap50
    return {"ap50": 0.0 if math.isnan(ap50) else ap50}


def _of_sequence(stream: DetectionStream, sequence: BoxedSequence) -> Iterator[ScoredFrame]:
    sizes_hw: list[tuple[int, int]] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for frame in sequence.frames:
            picture = read_frame(frame)
            sizes_hw.append((picture.shape[0], picture.shape[1]))
            yield picture

    for place, found in enumerate(detect_all(stream, pictures())):
        yield _scored(sequence, place, found, sizes_hw[place])


def _scored(
    sequence: BoxedSequence, place: int, found: Detections, size_hw: tuple[int, int]
) -> ScoredFrame:
    frame = sequence.frames[place]
    return ScoredFrame(
        truth_xyxy=np.array(frame.boxes_xyxy, np.float64).reshape(-1, 4),
        truth_labels=np.array(frame.labels, np.int64),
        lesions=frame.lesions or ("",) * len(frame.labels),
        boxes_xyxy=found.boxes_xyxy.numpy().astype(np.float64),
        scores=found.scores.numpy().astype(np.float64),
        labels=found.labels.numpy(),
        size_hw=size_hw,
        sequence=sequence.name,
        group=sequence.origin,
        time_s=place / sequence.fps if sequence.fps else math.nan,
    )
