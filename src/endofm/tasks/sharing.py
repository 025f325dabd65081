"""An evaluation shared out to the processes of a launch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

Item = TypeVar("Item")


def own_places(num: int, accelerator: Accelerator) -> list[int]:
    """The sequences that fall to this process."""
    return list(range(accelerator.process_index, num, accelerator.num_processes))


def gather(own: list[Item], accelerator: Accelerator) -> list[Item]:
    """What all processes have, in any order."""
    return gather_object(own) if accelerator.num_processes > 1 else own


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """In eval mode meanwhile."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
