"""A detector on a live stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.boxes import Detections
from endofm.errors import DataError
from endofm.prediction.asking import DetectionOptions, detector_of
from endofm.tasks.detect_stream import DetectionStream


class Stream:
    """Frames in, their boxes out, one by one; memory does not grow.

    Each frame is answered at once, with help from those before it. Between two videos call
    ``reset``.

    Args:
        source: Folder of a fine-tuning run, or a detector's weights.
        classes: What the classes of a detector that is no run are called; ``1``, ``2``, ... .
        options: How it is asked; ``online`` and ``tracks`` mean nothing here.
        device: Where the network runs: a GPU if there is one, unless given.

    Raises:
        EndofmError: The weights cannot be read, or are no detector's.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        classes: tuple[str, ...] | None = None,
        options: DetectionOptions | None = None,
        device: str | None = None,
    ) -> None:
        asked = detector_of(source, classes, options or DetectionOptions(), device=device)
        self.classes = asked.trained.classes
        self.threshold = asked.threshold
        self._stream = DetectionStream(
            asked.trained.network,
            frames=asked.trained.frames,
            references=asked.references.model_copy(update={"online": True}),
        )

    def push(self, frame: NDArray[np.uint8]) -> Detections:
        """What is found in the next frame, the surest first, in px of the frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Raises:
            DataError: It is no such array, or has another size than the frames before.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise DataError(
                f"a frame of shape {frame.shape} and type {frame.dtype}",
                "push RGB frames, (H, W, 3) of uint8",
            )
        (found,) = self._stream.push(frame)
        return found.chosen(found.scores >= self.threshold)

    def reset(self) -> None:
        """Forget all frames: the next one begins another video."""
        self._stream.reset()
