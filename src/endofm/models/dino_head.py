"""The projection head of self-distillation, and the network that sends views through both.

DINO (Caron et al., ICCV 2021), section 3.1. Axes: N features, V views, B clips, D channels,
K prototypes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endofm.models.layers import initialise_linear
from endofm.models.timesformer import TimeSformer


class Prototypes(nn.Module):
    """Weight-normalised linear layer without bias: gain g times the cosine to direction v.

    The gain ``weight_g`` is stored and not trained: 1 at the start, used as loaded.
    """

    def __init__(self, *, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out_dim, 1), requires_grad=False)
        self.weight_v = nn.Parameter(nn.Linear(in_dim, out_dim, bias=False).weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C) -> (N, K)``."""
        # Scaling the N rows of logits spares a normalised copy of the K x C weights.
        gain = self.weight_g / torch.linalg.vector_norm(self.weight_v, dim=1, keepdim=True)
        return F.linear(x, self.weight_v) * gain[:, 0]


class DINOHead(nn.Module):
    """Three linear layers with GELU between, L2 normalisation, and the prototypes.

    Args:
        in_dim: Channels D of the features.
        out_dim: Prototypes K.
        hidden_dim: Width of the two hidden layers.
        bottleneck_dim: Width of the normalised vector.
    """

    def __init__(
        self, *, in_dim: int, out_dim: int, hidden_dim: int = 2048, bottleneck_dim: int = 256
    ) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(in_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, bottleneck_dim),
        )
        self.last_layer = Prototypes(in_dim=bottleneck_dim, out_dim=out_dim)
        initialise_linear(self.mlp)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, D) -> (N, K)`` logits."""
        return self.last_layer(F.normalize(self.mlp(features), dim=-1))


class ViewNetwork(nn.Module):
    """Backbone and head over views of any lengths and sizes; keys ``backbone.*``, ``head.*``."""

    def __init__(self, backbone: TimeSformer, head: DINOHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """V views ``(B, 3, T, H, W)`` each ``-> (V*B, K)``, the rows of the first view first.

        Views of one shape pass the backbone as one batch.
        """
        same_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, view in enumerate(views):
            same_shape[tuple(view.shape)].append(index)
        features: dict[int, Tensor] = {}
        for indices in same_shape.values():
            batch = self.backbone(torch.cat([views[i] for i in indices]))
            features |= zip(indices, batch.chunk(len(indices)), strict=True)  # each (B, D)
        return self.head(torch.cat([features[i] for i in range(len(views))]))  # (V*B, K)
