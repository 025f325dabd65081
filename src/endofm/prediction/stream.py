"""A detector on a live stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.boxes import Detections
from endofm.errors import DataError
from endofm.prediction.asking import DetectionOptions, detector_of
from endofm.tasks.detect_config import ScoringSettings
from endofm.tasks.detect_stream import DetectionStream


class Stream:
    """Frames in, their boxes out, one by one; memory does not grow.

    Each frame is answered at once, with help from those before it. Between two videos call
    ``reset``.

    Args:
        source: Folder of a fine-tuning run, or a detector's weights.
        classes: What the classes of a detector that is no run are called; ``1``, ``2``, ... .
        threshold: Score from which a box counts; the one that validation chose unless given.
        num_references: Frames that help with one; as in the run unless given.
        scoring: How a detector without a run sees frames.
        device: Where the network runs: a GPU if there is one, unless given.

    Raises:
        EndofmError: The weights cannot be read, or are no detector's.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        classes: tuple[str, ...] | None = None,
        threshold: float | None = None,
        num_references: int | None = None,
        scoring: ScoringSettings | None = None,
        device: str | None = None,
    ) -> None:
        options = DetectionOptions(
            online=True, num_references=num_references, threshold=threshold, scoring=scoring
        )
        asked = detector_of(source, classes, options, device=device)
        self.classes = asked.trained.classes
        self.threshold = asked.threshold
        self._stream = DetectionStream(
            asked.trained.network,
            frames=asked.trained.frames,
            references=asked.references,
        )

    def push(self, frame: NDArray[np.uint8]) -> Detections:
        """What is found in the next frame, the surest first, in px of the frame.

        A label k is the class ``classes[k - 1]``.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Raises:
            DataError: It is no such array, or has another size than the frames before.
        """
        shape, kind = np.shape(frame), getattr(frame, "dtype", type(frame).__name__)
        if kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or not frame.size:
            raise DataError(
                f"a frame of shape {shape} and type {kind}",
                "push RGB frames, (H, W, 3) of uint8",
            )
        (found,) = self._stream.push(frame)
        return found.chosen(found.scores >= self.threshold)

    def reset(self) -> None:
        """Forget all frames: the next one begins another video."""
        self._stream.reset()
