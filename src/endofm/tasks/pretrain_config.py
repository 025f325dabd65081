"""Settings of a pre-training; the defaults are ours, ``presets/pretrain`` holds the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from endofm.config import Settings, Share
from endofm.data.storage import is_url
from endofm.data.views import ViewSettings


def _path_or_url(value: Any) -> Any:
    """A path in its usual spelling; a URL as it is, for ``Path`` would join its slashes."""
    if isinstance(value, str) and is_url(value):
        return value
    return str(Path(value)) if isinstance(value, str | Path) else value


PathOrURL = Annotated[str, BeforeValidator(_path_or_url)]


class ClipSettings(Settings):
    """From videos of any length to clips."""

    target_fps: PositiveFloat = 30.0
    """Frame rate at which every video is read."""
    clip_frames: PositiveInt = 150
    """Frames of a clip at that rate; a video's last clip takes the remainder."""
    min_frames: PositiveInt = 8
    """A video with fewer frames is skipped."""
    folder_fps: PositiveFloat = 30.0
    """Frame rate of folders of single frames, which do not say theirs."""
    max_skipped_share: Share = 0.1
    """Refuse to start when more than this share of the videos cannot be used."""


class HeadSettings(Settings):
    """The projection head (DINO, Caron et al. 2021)."""

    num_prototypes: PositiveInt = 65_536
    """Outputs that student and teacher are compared on."""
    hidden_dim: PositiveInt = 2048
    """Width of the two hidden layers."""
    bottleneck_dim: PositiveInt = 256
    """Width of the normalised layer before the prototypes."""


class TeacherSettings(Settings):
    """The teacher and what it says."""

    momentum: Share = 0.996
    """Share of the teacher kept at a step; rises to 1 along a cosine."""
    temperature: PositiveFloat = 0.04
    """Sharpness of its probabilities."""
    warmup_temperature: PositiveFloat = 0.04
    """The temperature of the first epoch, from which it moves to ``temperature``."""
    warmup_epochs: NonNegativeInt = 0
    """Epochs over which the temperature moves."""
    centre_momentum: Share = 0.9
    """Share of the centre kept at a step."""
    centre_batches: NonNegativeInt = 4
    """Batches that the centre is measured on before the first step; the original starts at 0."""
    drop_path: bool = False
    """Let the teacher drop paths too, as the original did unawares."""


class OptimiserSettings(Settings):
    """AdamW and its schedules."""

    learning_rate: NonNegativeFloat = 5e-4
    """Peak, for 256 clips a step; scaled in proportion to the real number."""
    final_learning_rate: NonNegativeFloat = 1e-6
    """Where the cosine ends."""
    warmup_epochs: NonNegativeFloat = 10.0
    """Epochs of linear rise from 0."""
    weight_decay: NonNegativeFloat = 0.04
    """At the start."""
    final_weight_decay: NonNegativeFloat = 0.4
    """At the end of its cosine."""
    gradient_limit: PositiveFloat = 3.0
    """Largest norm of each parameter's gradient."""
    freeze_last_layer_epochs: NonNegativeInt = 1
    """Epochs in which the prototypes stand still."""


class ProbeSettings(Settings):
    """Is it learning? k-NN and linear probe of the teacher's features on labelled clips."""

    clips: Path | None = None
    """Clip list with labels and a split column; without it nothing is probed."""
    every: PositiveInt = 500
    """Steps between two probes; the first and the last are always made."""
    num_frames: PositiveInt = 8
    """Frames of a clip, evenly over all of it."""
    num_neighbours: PositiveInt = 20
    """The k of k-NN."""


class PretrainConfig(Settings):
    """Pre-train a video backbone on unlabelled endoscopy videos."""

    data: tuple[PathOrURL, ...]
    """Folders of videos or of frame folders, single videos, clip lists (.csv), or clip stores
    written by endofm data pack: folders, or URLs such as https:// and s3://."""
    exclude: tuple[Path, ...] = ()
    """Lists of videos to leave out, as ``endofm data audit`` writes them; not of clip stores."""
    out: Path
    """Folder of the run."""
    model: Literal["tiny", "small", "base"] = "base"
    """Size of the backbone; the paper's is base."""
    start: str | None = None
    """Weights to start from: SVT, DINO, Endo-FM or one of ours; without them, from scratch."""
    epochs: PositiveInt = 30
    """Passes over the clips."""
    steps: PositiveInt | None = None
    """Length of the run in steps, instead of ``epochs``."""
    batch_size: PositiveInt = 12
    """Clips a step, over all processes and micro-batches together."""
    accumulate: PositiveInt = 1
    """Micro-batches that a step is divided into."""
    seed: NonNegativeInt = 0
    """Of weights, order of clips, views, and drop path."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic; auto is bf16 on a GPU that has it, else fp32."""
    drop_path: Share = 0.1
    """Rate in the last block of the student; rises linearly from 0 in the first."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: slower, much less memory."""
    num_workers: NonNegativeInt = 2
    """Loader processes of each training process."""
    log_every: PositiveInt = 10
    """Steps between two lines of metrics."""
    save_every: PositiveInt = 200
    """Steps between two checkpoints."""
    keep: PositiveInt = 2
    """Checkpoints that stay on disk."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    """Where metrics go besides metrics.jsonl; all but tensorboard need their package."""
    data_note: str = ""
    """Said beside every number of the run's page, such as 'synthetic'."""
    clip: ClipSettings = ClipSettings()
    views: ViewSettings = ViewSettings()
    head: HeadSettings = HeadSettings()
    teacher: TeacherSettings = TeacherSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    probe: ProbeSettings = ProbeSettings()


CHANGEABLE_ON_RESUME = (
    "out",
    "num_workers",
    "log_every",
    "save_every",
    "keep",
    "trackers",
    "probe.every",
)
"""Settings that do not change the numbers of a run."""
