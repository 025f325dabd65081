"""Settings that every fine-tuning has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from endofm.config import Settings, Share


class FinetuneConfig(Settings):
    """Where a fine-tuning begins, how long it lasts, and what it leaves behind."""

    data: Path
    """What to learn from."""
    out: Path
    """Folder of the run."""
    weights: str | None = None
    """Backbone to start from: Endo-FM, SVT, DINO or a run of ours; without it, random weights."""
    model: Literal["tiny", "small", "base"] = "base"
    """Size of the network where there are no weights, which tell theirs."""
    epochs: PositiveInt = 20
    """Passes over the training data."""
    seed: NonNegativeInt = 0
    """Of all that is drawn, a validation part taken from train included."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic; auto is bf16 on a GPU that has it, else fp32."""
    drop_path: Share = 0.1
    """Rate in the last block; rises linearly from 0 in the first."""
    val_share: Share = 0.2
    """Share of the training groups set aside for validation where the data has none."""
    select_on_test: bool = False
    """Pick the best epoch on the reported data, as the original did; the results say so."""
    patience_epochs: PositiveInt | None = 10
    """Stop after so many epochs without a better validation; none trains to the end."""
    average_momentum: Share | None = None
    """Evaluate a moving average of the weights, of which this share is kept at a step."""
    num_workers: NonNegativeInt = 2
    """Loader processes of each process."""
    log_every: PositiveInt = 10
    """Steps between two lines of metrics."""
    keep: PositiveInt = 2
    """Checkpoints that stay on disk beside the best; there is one an epoch."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    """Where metrics go besides metrics.jsonl; all but tensorboard need their package."""
    data_note: str = ""
    """Said beside every number of the run, such as 'synthetic'."""

    @model_validator(mode="after")
    def _leaves_something_to_choose(self) -> Self:
        if not 0 < self.val_share < 1:
            raise ValueError(f"val_share is {self.val_share}, give a share between 0 and 1")
        return self


CHANGEABLE_ON_RESUME = ("out", "num_workers", "log_every", "keep", "trackers")
"""Settings that do not change the numbers of a run."""
