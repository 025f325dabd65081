"""A backbone with a classifier behind it.

Axes: B clips, T frames, P patches a frame, D channels, L tokens, K classes.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endofm.models.layers import INIT_STD, NORM_EPS
from endofm.models.timesformer import TimeSformer

CLASSIFIER_STD = 0.01
CHANNELS_A_HEAD = 64

Pooling = Literal["class_token", "attentive"]


class Classifier(nn.Module):
    """One linear layer on a clip's feature; keys ``backbone.*``, ``linear.*``, ``pool.*``.

    Args:
        backbone: What makes features of clips.
        num_classes: Outputs K.
        pooling: The feature is the backbone's class token, as in Endo-FM, or what a learned query
            reads off all tokens.
    """

    def __init__(
        self, backbone: TimeSformer, *, num_classes: int, pooling: Pooling = "class_token"
    ) -> None:
        super().__init__()
        self.backbone = backbone
        dim = backbone.embed_dim
        self.pool = AttentivePool(dim=dim) if pooling == "attentive" else None
        self.linear = nn.Linear(dim, num_classes)
        nn.init.normal_(self.linear.weight, std=CLASSIFIER_STD)
        nn.init.zeros_(self.linear.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits: ``(B, 3, T, H, W) -> (B, K)``.

        Raises:
            ConfigError: As ``TimeSformer.forward``.
        """
        if self.pool is None:
            return self.linear(self.backbone(clips))
        return self.linear(self.pool(self.backbone.tokens(clips)))


class AttentivePool(nn.Module):
    """A learned query attends over all tokens (V-JEPA, Bardes et al. 2024, Section 5.2)."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.num_heads = max(dim // CHANNELS_A_HEAD, 1)
        self.query = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, dim), std=INIT_STD))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, L, D) -> (B, D)``."""
        both = self.key_value(self.norm(tokens)).unflatten(-1, (2, self.num_heads, -1))
        key, value = both.transpose(1, 3).unbind(2)  # each (B, heads, L, D/heads)
        query = self.query.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        query = query.expand(len(tokens), -1, -1, -1)  # (B, heads, 1, D/heads)
        read = F.scaled_dot_product_attention(query, key, value)
        return self.proj(read.flatten(1))
