"""Parameter groups and clipping as DINO does them (Caron et al. 2021, released code's settings)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: with weight decay, and without.

    Biases and all other one-dimensional weights are not decayed; everything else is, class token
    and embeddings included.
    """
    decayed: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            (exempt if name.endswith(".bias") or parameter.ndim == 1 else decayed).append(parameter)
    return [{"params": decayed}, {"params": exempt, "weight_decay": 0.0, "exempt": True}]


def set_rates(
    optimizer: torch.optim.Optimizer, *, learning_rate: float, weight_decay: float
) -> None:
    """Set this step's learning rate everywhere and its weight decay where there is one."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
        if not group.get("exempt"):
            group["weight_decay"] = weight_decay


@torch.no_grad()
def clip_each_gradient(parameters: Iterable[nn.Parameter], *, limit: float) -> Tensor:
    """Scale each parameter's own gradient to a norm of at most ``limit``, and return the norms.

    A gradient is multiplied by limit / (norm + 1e-6) where that is below 1.

    Returns:
        (number of parameters with a gradient,) norms from before the clipping.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(0)
    norms = torch.stack(torch._foreach_norm(gradients))
    scales = (limit / (norms + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, list(scales.unbind()))
    return norms
