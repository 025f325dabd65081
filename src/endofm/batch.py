"""What crosses the layers: the frozen records that loaders make and tasks consume.

Axes: B clips, T frames, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Colour:
    """The colour work drawn for one view of every clip, to be done on the device.

    ``factor`` holds the multipliers a = 1 + u of brightness, contrast and saturation, in that
    order; ``order`` says which of the three comes first, second and third.
    """

    jitter: Tensor  # (B,) bool: is any of the three applied?
    order: Tensor  # (B, 3) int64, a permutation of 0, 1, 2 a clip
    factor: Tensor  # (B, 3) float32
    grey: Tensor  # (B,) bool

    def to(self, device: torch.device) -> Colour:
        """The same draws on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Colour:
        """A copy that a GPU can fetch while the processor goes on."""
        return self._map(lambda tensor: tensor.pin_memory())

    def rows(self, part: slice) -> Colour:
        """The draws of some of the clips."""
        return self._map(lambda tensor: tensor[part])

    def _map(self, change: Callable[[Tensor], Tensor]) -> Colour:
        return Colour(*map(change, (self.jitter, self.order, self.factor, self.grey)))


@dataclass(frozen=True)
class View:
    """One view of every clip of a batch, cropped and resized but not yet coloured."""

    frames: Tensor  # (B, T, H, W, 3) RGB: uint8, or float32 in 0..255 that may overshoot
    colour: Colour

    def to(self, device: torch.device) -> View:
        """The same view on another device."""
        return View(self.frames.to(device, non_blocking=True), self.colour.to(device))

    def pin_memory(self) -> View:
        """A copy that a GPU can fetch while the processor goes on."""
        return View(self.frames.pin_memory(), self.colour.pin_memory())

    def rows(self, part: slice) -> View:
        """The view of some of the clips."""
        return View(self.frames[part], self.colour.rows(part))


@dataclass(frozen=True)
class ViewBatch:
    """All views of a batch of clips, the global ones first."""

    views: tuple[View, ...]
    clip_index: Tensor  # (B,) int64, positions in the list of clips

    def to(self, device: torch.device) -> ViewBatch:
        """The same batch on another device."""
        return ViewBatch(tuple(view.to(device) for view in self.views), self.clip_index.to(device))

    def pin_memory(self) -> ViewBatch:
        """A copy that a GPU can fetch while the processor goes on; torch's loader asks for it."""
        return ViewBatch(tuple(view.pin_memory() for view in self.views), self.clip_index)

    def split(self, num_parts: int) -> Iterator[ViewBatch]:
        """Micro-batches of equal size, in order; ``num_parts`` divides the number of clips."""
        size, rest = divmod(len(self.clip_index), num_parts)
        assert rest == 0, "a batch must split evenly"
        for first in range(0, len(self.clip_index), size):
            part = slice(first, first + size)
            yield ViewBatch(tuple(view.rows(part) for view in self.views), self.clip_index[part])
