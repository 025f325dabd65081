"""From a step's number to its batch: which clips, and the processes that prepare them."""

import functools
import itertools
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, default_collate

from endofm.batch import Colour, View, ViewBatch
from endofm.data.datasets import ClipViews, EpochAndIndex, ViewDataset
from endofm.data.rng import epoch_rng
from endofm.errors import ConfigError, DataError, EndofmError

SampleT = TypeVar("SampleT")
BatchT = TypeVar("BatchT")

StartMethod: TypeAlias = Literal["fork", "spawn", "forkserver"]


class StepSampler:
    """The clips of each step: a new order in each epoch, whose incomplete last batch is dropped.

    A pure function of the step, so resuming is starting at another number. The batch of all
    processes together does not depend on how many there are: process r takes the r-th part.

    Args:
        num_clips: Clips to choose from.
        batch_size: Clips a step, over all processes.
        seed: What the order of each epoch comes from.
        num_processes: Processes that share a batch.
        process_index: Which of them this is.
        first_step: Where iterating starts; it never ends.

    Raises:
        DataError: There are fewer clips than a batch needs.
        ConfigError: The batch cannot be shared out evenly.
    """

    def __init__(
        self,
        num_clips: int,
        batch_size: int,
        *,
        seed: int,
        num_processes: int = 1,
        process_index: int = 0,
        first_step: int = 0,
    ) -> None:
        if num_clips < batch_size:
            raise DataError(
                f"{num_clips} clips do not fill a batch of {batch_size}",
                f"add videos or set --batch-size to {num_clips} or less",
            )
        if batch_size % num_processes:
            raise ConfigError(
                f"a batch of {batch_size} clips cannot be shared by {num_processes} processes",
                f"set --batch-size to a multiple of {num_processes}",
            )
        self.num_clips = num_clips
        self.batch_size = batch_size
        self.seed = seed
        self.num_processes = num_processes
        self.process_index = process_index
        self.first_step = first_step

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch."""
        return self.num_clips // self.batch_size

    def indices_of_step(self, step: int) -> list[EpochAndIndex]:
        """This process's share of the clips of a step, each as (epoch, index)."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        share = self.batch_size // self.num_processes
        first = batch * self.batch_size + self.process_index * share
        order = _epoch_order(self.num_clips, self.seed, epoch)
        return [(epoch, index) for index in order[first : first + share].tolist()]

    def __iter__(self) -> Iterator[list[EpochAndIndex]]:
        """The shares of ``first_step`` and all later steps."""
        return map(self.indices_of_step, itertools.count(self.first_step))


@functools.lru_cache(maxsize=2)
def _epoch_order(num_clips: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return epoch_rng(seed, epoch).permutation(num_clips)


def collate_views(samples: Sequence[ClipViews]) -> ViewBatch:
    """Join the views of B clips, view by view.

    The colour draws of all views share four tensors: a worker passes each tensor on by an open
    file, and the files that a process may have open are few.
    """
    by_view = list(zip(*(sample.views for sample in samples), strict=True))  # V rows of B
    draws = [[view.colour for view in row] for row in by_view]
    colours = zip(
        torch.tensor([[draw.jitter for draw in row] for row in draws]),
        torch.tensor([[draw.order for draw in row] for row in draws]),
        torch.tensor([[draw.factor for draw in row] for row in draws]),
        torch.tensor([[draw.grey for draw in row] for row in draws]),
        strict=True,
    )
    views = tuple(
        View(default_collate([view.frames for view in row]), Colour(*colour))
        for row, colour in zip(by_view, colours, strict=True)
    )
    return ViewBatch(views, torch.tensor([sample.clip_index for sample in samples]))


class Loader(Generic[BatchT]):
    """Batches prepared by worker processes; an unusable video is an error of one line.

    Args:
        dataset: Samples by key.
        batches: The keys of each batch: a ``StepSampler``, or lists for evaluation.
        collate: Joins samples to a batch.
        num_workers: Processes that prepare batches; with 0 this one does it itself.
        start_method: How they are started; the platform's default unless given.
    """

    def __init__(
        self,
        dataset: Dataset[SampleT],
        batches: Iterable[list[Any]],
        *,
        collate: Callable[[Sequence[SampleT]], BatchT],
        num_workers: int = 0,
        start_method: StartMethod | None = None,
    ) -> None:
        self._loader = DataLoader(
            _Guarded(dataset),
            batch_sampler=batches,
            collate_fn=functools.partial(_collate_or_fail, collate),
            num_workers=num_workers,
            worker_init_fn=_start_worker,
            multiprocessing_context=start_method if num_workers else None,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # leaves torch's global generator alone
        )

    def __iter__(self) -> Iterator[BatchT]:
        """The batches in order; workers live as long as this iterator does.

        Raises:
            EndofmError: What went wrong with a sample, or that a worker died.
        """
        try:
            for batch in self._loader:
                if isinstance(batch, EndofmError):
                    raise batch
                yield batch
        except RuntimeError as error:
            if "DataLoader worker (pid" not in str(error):  # an error inside one names no pid
                raise
            raise DataError(
                "a process that loads videos was killed, most often for lack of memory",
                "use fewer workers or smaller batches; in a container, raise --shm-size",
            ) from error


def make_loader(
    dataset: ViewDataset,
    sampler: StepSampler,
    *,
    num_workers: int = 0,
    start_method: StartMethod | None = None,
) -> Loader[ViewBatch]:
    """The batches of pre-training, without end; arguments as in ``Loader``."""
    return Loader(
        dataset,
        sampler,
        collate=collate_views,
        num_workers=num_workers,
        start_method=start_method,
    )


class _Guarded(Dataset[SampleT | EndofmError]):
    """Gives errors as samples: a worker that raised them would wrap them in its traceback."""

    def __init__(self, dataset: Dataset[SampleT]) -> None:
        self.dataset = dataset

    def __getitem__(self, key: Any) -> SampleT | EndofmError:
        try:
            return self.dataset[key]
        except EndofmError as error:
            return error


def _collate_or_fail(
    collate: Callable[[Sequence[SampleT]], BatchT], samples: Sequence[SampleT | EndofmError]
) -> BatchT | EndofmError:
    usable: list[SampleT] = []
    for sample in samples:
        if isinstance(sample, EndofmError):
            return sample
        usable.append(sample)
    return collate(usable)


def _start_worker(_worker: int) -> None:
    """One thread a worker; a request to stop is for the main process, which still wants its batch.

    A scheduler sends its SIGTERM to all processes. A second one does end a worker: the main process
    asks so of a worker that hangs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore_once)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _ignore_once(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
