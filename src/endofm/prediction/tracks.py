"""Boxes of successive frames that are of one lesion: ByteTrack (Zhang et al., ECCV 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endofm.boxes import Detections
from endofm.errors import ConfigError

NO_TRACK = -1


def track(
    frames: Sequence[Detections], *, fps: float, threshold: float
) -> tuple[NDArray[np.int64], ...]:
    """The track of each box of each frame, (N,) from 1 in the order of their start.

    A box below ``threshold`` begins no track, but can go on with one; a box without a track has
    ``NO_TRACK``. A lesion that is out of sight for a second or more is another track.

    Args:
        frames: What is found in each frame of a video, in order.
        fps: Frames a second.
        threshold: Score from which a box counts.

    Raises:
        ConfigError: The package ``trackers`` is missing.
    """
    try:
        import supervision as sv  # noqa: PLC0415 - slow to import
        from trackers import ByteTrackTracker  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ConfigError(
            f"tracks need the package {error.name}", "pip install --no-deps trackers"
        ) from None
    tracker = ByteTrackTracker(
        lost_track_buffer=max(round(fps), 1),
        frame_rate=fps,
        track_activation_threshold=threshold,
        high_conf_det_threshold=threshold,
        minimum_consecutive_frames=1,
    )
    numbers: dict[int, int] = {}
    tracks = []
    for found in frames:
        given = sv.Detections(
            xyxy=found.boxes_xyxy.numpy().astype(np.float64).reshape(-1, 4),
            confidence=found.scores.numpy().astype(np.float64),
            data={"place": np.arange(len(found))},
        )
        ids = np.full(len(found), NO_TRACK, np.int64)
        answered = tracker.update(given)
        if len(answered) and answered.tracker_id is not None:
            for place, number in zip(answered.data["place"], answered.tracker_id, strict=True):
                if number >= 0:
                    ids[place] = numbers.setdefault(int(number), len(numbers) + 1)
        tracks.append(ids)
    return tuple(tracks)
