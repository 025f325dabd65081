"""From settings to networks and schedules, and the checks that save a user hours."""

from __future__ import annotations

import shutil
from pathlib import Path

from endofm.engine.weights import load_state, network_state
from endofm.errors import ConfigError, RunError
from endofm.models import MODELS, DINOHead, ViewNetwork
from endofm.tasks.pretrain_config import PretrainConfig
from endofm.tasks.self_distillation import Schedule
from endofm.tasks.sizes import check_batch_size, check_frame_size

CLIPS_OF_QUOTED_RATE = 256
"""The learning rate is given for this many clips a step."""
BYTES_OF_TRAINED_PARAMETER = 4 * 4
"""In a checkpoint: student, teacher, and the two moments of AdamW, in 32 bits."""


def check_sizes(config: PretrainConfig, *, num_processes: int) -> None:
    """Raise ``ConfigError`` for sizes that do not fit each other or the network."""
    check_frame_size("--views.global-size-px", config.views.global_size_px)
    check_frame_size("--views.local-size-px", config.views.local_size_px)
    check_batch_size(config.batch_size, accumulate=config.accumulate, num_processes=num_processes)


def make_schedule(config: PretrainConfig, *, steps_per_epoch: int) -> Schedule:
    """All rates by step.

    Raises:
        ConfigError: The warm-up is longer than the run.
    """
    num_steps = config.steps or config.epochs * steps_per_epoch
    warmup_steps = round(config.optimiser.warmup_epochs * steps_per_epoch)
    if warmup_steps >= num_steps:
        raise ConfigError(
            f"the warm-up of {config.optimiser.warmup_epochs:g} epochs is {warmup_steps} steps, "
            f"the run only {num_steps}",
            "shorten --optimiser.warmup-epochs or train longer",
        )
    peak = config.optimiser.learning_rate * config.batch_size / CLIPS_OF_QUOTED_RATE
    return Schedule(
        num_steps=num_steps,
        steps_per_epoch=steps_per_epoch,
        warmup_steps=warmup_steps,
        freeze_steps=config.optimiser.freeze_last_layer_epochs * steps_per_epoch,
        peak_learning_rate=peak,
        final_learning_rate=config.optimiser.final_learning_rate,
        weight_decay=config.optimiser.weight_decay,
        final_weight_decay=config.optimiser.final_weight_decay,
        teacher_momentum=config.teacher.momentum,
        teacher_temperature=config.teacher.temperature,
        warmup_temperature=config.teacher.warmup_temperature,
        temperature_epochs=config.teacher.warmup_epochs,
    )


def build_network(config: PretrainConfig) -> tuple[ViewNetwork, str]:
    """The network that student and teacher start as, and a line on where it comes from.

    Raises:
        WeightsError: ``config.start`` cannot be used.
    """
    backbone = MODELS[f"timesformer_{config.model}"](
        drop_path=config.drop_path, checkpointing=config.checkpointing
    )
    head = DINOHead(
        in_dim=backbone.embed_dim,
        out_dim=config.head.num_prototypes,
        hidden_dim=config.head.hidden_dim,
        bottleneck_dim=config.head.bottleneck_dim,
    )
    network = ViewNetwork(backbone, head)
    if config.start is None:
        return network, "starting from scratch; --start takes SVT, DINO or Endo-FM weights"
    state = network_state(config.start)
    new_head = {f"head.{key}": value for key, value in head.state_dict().items()}
    fits = all(key in state and state[key].shape == value.shape for key, value in new_head.items())
    if not fits:
        state = {k: v for k, v in state.items() if k.startswith("backbone.")} | new_head
    load_state(network, state, source=config.start)
    told = "backbone and head" if fits else "backbone (the head is new: it has none that fits)"
    return network, f"starting from {config.start}: {told}"


def check_room(folder: Path, network: ViewNetwork, *, keep: int) -> None:
    """Raise ``RunError`` when the disk has no room for the checkpoints of a run."""
    num_parameters = sum(parameter.numel() for parameter in network.parameters())
    needed = (
        (keep + 1) * num_parameters * BYTES_OF_TRAINED_PARAMETER
    )  # one more while it is written
    existing = next(p for p in [folder.absolute(), *folder.absolute().parents] if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise RunError(
            f"{folder}: {free / 1e9:.1f} GB free, but {keep} checkpoints need "
            f"{needed / 1e9:.1f} GB",
            "make room, name an --out on another disk, or lower --keep",
        )
