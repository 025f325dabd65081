from __future__ import annotations

from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endofm.models import DINOHead, TimeSformer, ViewNetwork


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _head() -> DINOHead:
    return DINOHead(in_dim=6, out_dim=7, hidden_dim=10, bottleneck_dim=4)


def _linear_layers(head: DINOHead) -> list[nn.Linear]:
    return [layer for layer in head.mlp if isinstance(layer, nn.Linear)]


def test_logits_are_gains_times_cosines() -> None:
    head = _head()
    first, second, third = _linear_layers(head)
    for parameter in (first.bias, second.bias, third.bias, head.last_layer.weight_g):
        nn.init.normal_(parameter)
    features = torch.randn(3, 6)
    hidden = F.gelu(features @ first.weight.T + first.bias)
    hidden = F.gelu(hidden @ second.weight.T + second.bias)
    bottleneck = hidden @ third.weight.T + third.bias
    logits = head(features)
    for n in range(3):
        for k in range(7):
            cosine = F.cosine_similarity(bottleneck[n], head.last_layer.weight_v[k], dim=0)
            torch.testing.assert_close(logits[n, k], head.last_layer.weight_g[k, 0] * cosine)


def test_the_length_of_a_direction_does_not_matter() -> None:
    head = _head()
    features = torch.randn(3, 6)
    before = head(features)
    head.last_layer.weight_v.data *= 3
    torch.testing.assert_close(head(features), before)


def test_the_gain_is_one_stored_and_not_trained() -> None:
    head = _head()
    assert (head.last_layer.weight_g == 1).all()
    head(torch.randn(3, 6)).square().sum().backward()
    untrained = [name for name, parameter in head.named_parameters() if parameter.grad is None]
    assert untrained == ["last_layer.weight_g"]


def test_start() -> None:
    head = DINOHead(in_dim=64, out_dim=50, hidden_dim=64, bottleneck_dim=16)
    for layer in _linear_layers(head):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert (layer.bias == 0).all()
    assert 0.9 / 4 < head.last_layer.weight_v.abs().max() <= 1 / 4  # as nn.Linear starts


class Counting(nn.Module):
    """A backbone that only sums, and notes the batch size of every call."""

    def __init__(self) -> None:
        super().__init__()
        self.batch_sizes: list[int] = []

    def forward(self, clips: Tensor) -> Tensor:
        self.batch_sizes.append(len(clips))
        return clips.sum(dim=(1, 2, 3, 4))[:, None]


def test_views_of_one_shape_pass_as_one_batch_and_rows_stay_in_view_order() -> None:
    backbone = Counting()
    shapes = [(8, 32, 32), (16, 32, 32), (8, 16, 16), (16, 16, 16), (8, 16, 16), (8, 32, 32)]
    views = [torch.randn(2, 3, *shape) for shape in shapes]
    rows = ViewNetwork(cast(TimeSformer, backbone), cast(DINOHead, nn.Identity()))(views)
    torch.testing.assert_close(
        rows, torch.cat([view.sum(dim=(1, 2, 3, 4)) for view in views])[:, None]
    )
    assert sorted(backbone.batch_sizes) == [2, 2, 4, 4]


def test_a_view_network_gives_what_its_parts_give() -> None:
    backbone = TimeSformer(embed_dim=24, depth=2, num_heads=2, drop_path=0.0)
    network = ViewNetwork(backbone, DINOHead(in_dim=24, out_dim=7))
    views = [torch.randn(2, 3, *shape) for shape in [(4, 32, 32), (2, 16, 48), (4, 32, 32)]]
    alone = torch.cat([network.head(backbone(view)) for view in views])
    torch.testing.assert_close(network(views), alone, rtol=1e-4, atol=1e-5)
    assert {key.split(".")[0] for key in network.state_dict()} == {"backbone", "head"}
