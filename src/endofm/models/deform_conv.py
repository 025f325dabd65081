"""Deformable convolution: a 3 x 3 convolution whose taps look where offsets point.

Dai et al., "Deformable convolutional networks", ICCV 2017, version 1, without bias.
Axes: N maps, C channels in and O out, H and W cells, G groups of channels, each with its offsets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from endofm.errors import ConfigError

TAPS = 9
"""Of a 3 x 3 kernel, in the order of its rows."""
CELLS_AT_ONCE = 512
"""What 9 taps of 256 channels see at so many cells takes 5 MB."""

Kernel = Callable[..., Tensor]


def deform_conv(x: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """``(N, C, H, W) -> (N, O, H, W)`` with stride 1 and padding 1; differentiable in all three.

    Between cells a map is read bilinearly; outside it is zero. torchvision's kernel is used where
    it is installed and loads.

    Args:
        x: The maps.
        offsets: (N, G*18, H, W) in cells: for each group and tap dy, then dx. G divides C.
        weight: (O, C, 3, 3).

    Raises:
        ConfigError: The shapes do not fit each other.
    """
    _check(x, offsets, weight)
    kernel = _torchvision_kernel()
    if kernel is not None:
        return kernel(x, offsets, weight, padding=1)
    return deform_conv_by_rows(x, offsets, weight)


def deform_conv_by_rows(x: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """``deform_conv`` in plain PyTorch.

    A tap reads four cells; with channels last each is a row of C/G numbers, and what a tap sees is
    a weighted sum of four rows of a table, as in ``embedding_bag``. One matrix product follows.
    """
    num, channels, height, width = x.shape
    groups = offsets.shape[1] // (2 * TAPS)
    # Cells of zeros around the map: one before, two after, as a tap reads its cell and the next.
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 2, 1, 2))  # (N, H + 3, W + 3, C)
    table = padded.reshape(-1, channels // groups)
    rows, shares = _corners(offsets.unflatten(1, (groups, TAPS, 2)))  # (N, H, W, 9, G, 4)
    by_tap = weight.permute(0, 2, 3, 1).flatten(1)  # (O, 9*C)

    def some(rows: Tensor, shares: Tensor) -> Tensor:
        """The convolution at M cells: (M, 9, G, 4) twice to (M, O)."""
        bags = shares.flatten(0, 2).to(x.dtype)
        seen = F.embedding_bag(rows.flatten(0, 2), table, per_sample_weights=bags, mode="sum")
        return F.linear(seen.view(len(rows), TAPS * channels), by_tap)  # of (M*9*G, C/G)

    # Pieces that stay in a CPU's cache; one where a gradient of the whole table would be made each.
    whole = torch.is_grad_enabled() or x.device.type != "cpu"
    step = num * height * width if whole else CELLS_AT_ONCE
    pieces = zip(rows.flatten(0, 2).split(step), shares.flatten(0, 2).split(step), strict=True)
    cells = torch.cat([some(*piece) for piece in pieces])  # (N*H*W, O)
    return cells.view(num, height, width, -1).permute(0, 3, 1, 2)  # channels last in memory


def _corners(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the padded table that each tap reads, and their shares: both (N, H, W, 9, G, 4).

    Args:
        offsets: (N, G, 9, 2, H, W).
    """
    num, groups, _, _, height, width = offsets.shape
    precise = offsets.to(torch.promote_types(offsets.dtype, torch.float32))
    moved = precise.permute(3, 0, 4, 5, 2, 1).contiguous()  # (2, N, H, W, 9, G)
    tap = torch.arange(TAPS, device=offsets.device)
    row = torch.arange(height, device=offsets.device)[:, None, None, None]
    column = torch.arange(width, device=offsets.device)[:, None, None]
    # One cell beyond the edge the map is zero already: nothing changes farther out.
    y = (moved[0] + (row + (tap // 3 - 1)[:, None])).clamp(-1, height)  # (N, H, W, 9, G)
    x = (moved[1] + (column + (tap % 3 - 1)[:, None])).clamp(-1, width)
    top, left = y.detach().floor(), x.detach().floor()
    below, right = y - top, x - left
    above, before = 1 - below, 1 - right
    shares = torch.stack([above * before, above * right, below * before, below * right], -1)
    wide = width + 3
    image = torch.arange(num, device=offsets.device)[:, None, None, None, None]
    # No number is no place: it stays in the shares, and reads the first cell.
    cell = (top.nan_to_num(-1) * wide + left.nan_to_num(-1)).long() + (wide + 1)
    first = (image * ((height + 3) * wide) + cell) * groups
    first = first + torch.arange(groups, device=offsets.device)
    steps = torch.tensor([0, 1, wide, wide + 1], device=offsets.device) * groups
    return first[..., None] + steps, shares


@cache
def _torchvision_kernel() -> Kernel | None:
    """torchvision's compiled one; none where it is missing or was built for another torch."""
    try:
        from torchvision.ops import deform_conv2d  # noqa: PLC0415 - optional, slow to import
    except (ImportError, OSError, RuntimeError):
        return None
    return deform_conv2d


def _check(x: Tensor, offsets: Tensor, weight: Tensor) -> None:
    shapes = f"maps {tuple(x.shape)}, offsets {tuple(offsets.shape)}, weight {tuple(weight.shape)}"
    fits = (
        x.ndim == offsets.ndim == weight.ndim == 4
        and (len(x), *x.shape[2:]) == (len(offsets), *offsets.shape[2:])
        and weight.shape[1:] == (x.shape[1], 3, 3)
        and offsets.shape[1] > 0
        and offsets.shape[1] % (2 * TAPS) == 0
        and x.shape[1] % (offsets.shape[1] // (2 * TAPS)) == 0
    )
    if not fits:
        raise ConfigError(
            f"a deformable convolution of {shapes}",
            hint="give (N, C, H, W), (N, G*18, H, W) with G dividing C, and (O, C, 3, 3)",
        )
