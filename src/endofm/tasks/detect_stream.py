"""A detector on a video as it comes: each frame's features computed once, kept in a window.

Axes: H and W pixels of the frames, h and w those of the network's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from endofm.boxes import Detections, clip_boxes, sizes
from endofm.data.references import reference_places
from endofm.models import Detector
from endofm.models.candidates import Choice, detections
from endofm.models.fcos import CellMaps
from endofm.tasks.detect_config import FrameSettings, ReferenceSettings
from endofm.tasks.detect_data import Placement, check_same_size, network_frames, seen_pixels


@dataclass(frozen=True)
class _Held:
    """What is kept of a frame."""

    levels: tuple[CellMaps, ...]
    placement: Placement
    frame_hw: tuple[int, int]


class DetectionStream:
    """Frames of one video in, their detections out, in order.

    The backbone, the pyramid and the head's towers see each frame once. Online a frame is answered
    at once; offline as soon as all its references are there, ``reach_frames`` later.

    Args:
        detector: In eval mode, on any device.
        frames: Size and colours.
        references: Which frames help with one.
        choice: What counts as found; boxes that cover nothing never do.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        frames: FrameSettings,
        references: ReferenceSettings,
        choice: Choice | None = None,
    ) -> None:
        self.detector = detector
        self.frames = frames
        self.references = references
        self.choice = choice or Choice(keep_inverted=False)
        self.reset()

    @property
    def num_held(self) -> int:
        """Frames whose features are kept."""
        return len(self._held)

    def reset(self) -> None:
        """Forget all frames: the next one begins another video."""
        self._held: dict[int, _Held] = {}
        self._size_hw: tuple[int, int] | None = None
        self._num_seen = 0
        self._num_answered = 0

    @torch.inference_mode()
    def push(self, frame: NDArray[np.uint8]) -> list[Detections]:
        """Take the next frame; what is found in those that can be answered now, in order.

        Args:
            frame: (H, W, 3) RGB.

        Returns:
            Online one entry; offline none for the first ``reach_frames`` frames, then one. Boxes
            are in px of the frame.

        Raises:
            DataError: The frame has another size than those before.
        """
        height, width = frame.shape[:2]
        what = f"frame {self._num_seen} of the stream"
        check_same_size(self._size_hw or (height, width), (height, width), what=what)
        self._size_hw = height, width
        self._held[self._num_seen] = self._look(frame)
        self._num_seen += 1
        delay = 0 if self.references.online else self.references.reach_frames
        return list(self._answers(self._num_seen - delay, num_frames=self._num_seen))

    @torch.inference_mode()
    def finish(self) -> list[Detections]:
        """The video has ended: what is found in the frames that were waiting."""
        return list(self._answers(self._num_seen, num_frames=self._num_seen))

    def _answers(self, until: int, *, num_frames: int) -> Iterator[Detections]:
        while self._num_answered < until:
            yield self._answer(self._num_answered, num_frames=num_frames)
            self._num_answered += 1
            oldest = self._num_answered - self.references.reach_frames
            for place in [place for place in self._held if place < oldest]:
                del self._held[place]

    def _look(self, frame: NDArray[np.uint8]) -> _Held:
        height, width = frame.shape[:2]
        placement = Placement.fit((height, width), self.frames)
        picture = torch.from_numpy(seen_pixels(frame, placement, self.frames))
        device = self.detector.backbone.cls_token.device
        pixels = network_frames(picture[None, None].to(device), self.frames)
        levels = self.detector.cells(pixels, features="independent")
        return _Held(levels, placement, (height, width))

    def _answer(self, place: int, *, num_frames: int) -> Detections:
        chosen = reference_places(
            place,
            num_frames=num_frames,
            num=self.references.num,
            reach_frames=self.references.reach_frames,
            online=self.references.online,
        )
        current, others = self._held[place], [self._held[at] for at in chosen]
        outputs = [
            self.detector.transform(level, [one.levels[index] for one in others])
            for index, level in enumerate(current.levels)
        ]
        canvas_hw = current.placement.canvas_hw
        found = detections(outputs, size_hw=canvas_hw, choice=self.choice)[0]
        boxes = clip_boxes(
            current.placement.boxes_back(found.boxes_xyxy.float().cpu()), size_hw=current.frame_hw
        )
        back = Detections(boxes, found.scores.float().cpu(), found.labels.cpu())
        return back.chosen((sizes(boxes) > 0).all(-1))


def detect_all(
    stream: DetectionStream, frames: Iterable[NDArray[np.uint8]]
) -> Iterator[Detections]:
    """One entry a frame of a whole video, in order."""
    stream.reset()
    for frame in frames:
        yield from stream.push(frame)
    yield from stream.finish()
