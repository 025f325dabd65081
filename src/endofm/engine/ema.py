"""The moving average of weights that a teacher is."""

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, source: nn.Module, *, momentum: float) -> None:
    """Set every parameter of ``average`` to momentum * itself + (1 - momentum) * ``source``'s.

    The two modules have the same parameters in the same order.
    """
    own: list[torch.Tensor] = list(average.parameters())
    new = [p.detach() for p in source.parameters()]
    torch._foreach_mul_(own, momentum)
    # Not add_(..., alpha=): it may fuse and round otherwise than the original's two operations,
    # and the changes of a teacher are close to the rounding of its weights.
    torch._foreach_add_(own, torch._foreach_mul(new, 1 - momentum))
