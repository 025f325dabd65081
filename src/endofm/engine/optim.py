"""Parameter groups, their rates, and clipping as DINO does them (Caron et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


def parameter_groups(
    module: nn.Module, *, scale: Callable[[str], float] = lambda _name: 1.0
) -> list[dict[str, Any]]:
    """Trainable parameters in groups: those with weight decay first, then those without.

    Biases and all other one-dimensional weights are not decayed; everything else is, class token
    and embeddings included.

    Args:
        module: What is trained.
        scale: From a parameter's name to its share of the learning rate; each share is a group.
    """
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {(False, 1.0): [], (True, 1.0): []}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            exempt = name.endswith(".bias") or parameter.ndim == 1
            groups.setdefault((exempt, scale(name)), []).append(parameter)
    return [
        {"params": parameters, "scale": share}
        | ({"weight_decay": 0.0, "exempt": True} if exempt else {})
        for (exempt, share), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def layer_scale(name: str, *, depth: int, decay: float) -> float:
    """A parameter's share of the learning rate under layer-wise decay (ELECTRA, Clark et al. 2020).

    Args:
        name: In a ``Classifier``: what is behind the blocks has the share 1.
        depth: Blocks of the backbone.
        decay: Share of one block's rate that the block before it has; embeddings come first.
    """
    if not name.startswith("backbone.") or name.startswith("backbone.norm."):
        return 1.0
    block = int(name.split(".")[2]) if name.startswith("backbone.blocks.") else -1
    return decay ** (depth - block)


def set_rates(
    optimizer: torch.optim.Optimizer, *, learning_rate: float, weight_decay: float
) -> None:
    """Set this step's learning rate everywhere and its weight decay where there is one."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("scale", 1.0)
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
