"""From weights to what can be asked about videos: the weights tell the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endofm.engine.loading import task_of
from endofm.errors import ConfigError
from endofm.prediction.classify import ClassPredictor, PredictSettings
from endofm.prediction.detect import BoxPredictor
from endofm.prediction.mask_prediction import MaskFormat
from endofm.prediction.segment import MaskPredictor
from endofm.tasks import classify_trained, detect_trained, segment_trained
from endofm.tasks.classify_config import SamplingSettings
from endofm.tasks.detect_config import ReferenceSettings, ScoringSettings
from endofm.tasks.segment_config import FrameSettings


@dataclass(frozen=True)
class DetectionOptions:
    """How a detector is asked."""

    online: bool = False
    """Let no frame wait for later ones: references come from the past alone."""
    num_references: int | None = None
    """Frames that help with one; as in the run unless given."""
    threshold: float | None = None
    """Score from which a box counts as found; the one that validation chose unless given."""
    tracks: bool = False
    """Tell which boxes are of one lesion."""
    scoring: ScoringSettings | None = None
    """How a detector without a run sees frames."""


def predictor_of(
    source: str | Path,
    *,
    stride_s: float | None = None,
    batch_size: int | None = None,
    num_telling: int | None = None,
    classes: Sequence[str] | None = None,
    sampling: SamplingSettings | None = None,
    frames: FrameSettings | None = None,
    masks: MaskFormat | None = None,
    detection: DetectionOptions | None = None,
    device: str | None = None,
) -> ClassPredictor | MaskPredictor | BoxPredictor:
    """Load fine-tuned weights to ask them about videos; for the options see ``predict``.

    Args:
        source: Folder of a fine-tuning run, or fine-tuned weights.
        stride_s: Of a classifier.
        batch_size: Of a classifier.
        num_telling: Of a classifier.
        classes: Of a classifier or a detector without a run.
        sampling: Of a classifier without a run.
        frames: Of a segmenter without a run.
        masks: Of a segmenter.
        detection: Of a detector.
        device: Where the network runs: a GPU if there is one, unless given.

    Raises:
        WeightsError: The weights are missing, unsafe, damaged, or not fine-tuned.
        RunError: The run's files are damaged.
        ConfigError: A setting is out of range, of the other task, or known to the run.
    """
    settings = {"stride_s": stride_s, "batch_size": batch_size, "num_telling": num_telling}
    task = task_of(source)
    if task == "detect":
        others = {**settings, "sampling": sampling, "frames": frames, "masks": masks}
        _refuse(source, "detector", others)
        return detector_of(source, classes, detection or DetectionOptions(), device=device)
    if detection is not None and detection != DetectionOptions():
        raise ConfigError(
            f"{source} is no detector", "leave out online, tracks, threshold and num_references"
        )
    if task == "segment":
        _refuse(source, "segmenter", {**settings, "classes": classes, "sampling": sampling})
        segmenter = segment_trained.read_trained(source, frames=frames, device=device)
        return MaskPredictor(segmenter, masks or "png")
    _refuse(source, "classifier", {"frames": frames, "masks": masks})
    given = {name: value for name, value in settings.items() if value is not None}
    parsed = PredictSettings.parse(given)
    classifier = classify_trained.read_trained(
        source, classes=classes, sampling=sampling, device=device
    )
    return ClassPredictor(classifier, parsed)


def _refuse(source: str | Path, kind: str, others: dict[str, Any]) -> None:
    """Raise ``ConfigError`` where an option is given that is of the other task."""
    if wrong := [name for name, value in others.items() if value is not None]:
        raise ConfigError(f"{source} is a {kind}", f"leave out {wrong[0]}")


def detector_of(
    source: str | Path,
    classes: Sequence[str] | None,
    given: DetectionOptions,
    *,
    device: str | None,
) -> BoxPredictor:
    """Load a detector to ask it about videos; see ``predictor_of``."""
    trained = detect_trained.read_trained(
        source, classes=tuple(classes) if classes else None, scoring=given.scoring, device=device
    )
    changes: dict[str, Any] = {"online": given.online or trained.references.online}
    if given.num_references is not None:
        changes["num"] = given.num_references
    thresholds = (given.threshold, trained.threshold)
    return BoxPredictor(
        trained,
        references=ReferenceSettings.parse({**trained.references.model_dump(), **changes}),
        threshold=next((one for one in thresholds if one is not None), detect_trained.UNCHOSEN),
        with_tracks=given.tracks,
    )
