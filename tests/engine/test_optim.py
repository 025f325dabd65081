import copy

import torch
from torch import nn

from endofm.engine.ema import update_average
from endofm.engine.optim import clip_each_gradient, layer_scale, parameter_groups, set_rates


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2, bias=False))


def test_biases_and_norms_are_exempt_from_decay_and_frozen_weights_are_in_no_group() -> None:
    network = _network()
    network[2].weight.requires_grad_(False)
    decayed, exempt = (group["params"] for group in parameter_groups(network))
    assert [p.shape for p in decayed] == [(4, 3)]
    assert len(exempt) == 3


def test_rates_reach_both_groups_and_decay_only_one() -> None:
    optimizer = torch.optim.AdamW(parameter_groups(_network()))
    set_rates(optimizer, learning_rate=0.5, weight_decay=0.3)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]


def test_each_share_of_the_rate_is_a_group_of_its_own() -> None:
    groups = parameter_groups(_network(), scale=lambda name: 0.5 if name.startswith("0") else 1.0)
    optimizer = torch.optim.AdamW(groups)
    set_rates(optimizer, learning_rate=0.4, weight_decay=0.3)
    found = [(len(g["params"]), g["lr"], g["weight_decay"]) for g in optimizer.param_groups]
    assert found == [(1, 0.2, 0.3), (1, 0.4, 0.3), (1, 0.2, 0.0), (2, 0.4, 0.0)]


def test_early_layers_learn_slower() -> None:
    names = {
        "linear.weight": 1.0,
        "pool.query": 1.0,
        "backbone.norm.bias": 1.0,
        "backbone.blocks.11.attn.qkv.weight": 0.5,
        "backbone.blocks.0.norm1.bias": 0.5**12,
        "backbone.patch_embed.proj.weight": 0.5**13,
        "backbone.cls_token": 0.5**13,
    }
    assert {name: layer_scale(name, depth=12, decay=0.5) for name in names} == names


def test_each_gradient_is_clipped_by_itself() -> None:
    network = _network()
    network(torch.ones(5, 3)).square().sum().backward()
    before = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    norms = clip_each_gradient(network.parameters(), limit=0.5)
    for old, new, norm in zip(before, network.parameters(), norms, strict=True):
        expected = old * min(1.0, 0.5 / (float(old.norm()) + 1e-6))
        torch.testing.assert_close(new.grad, expected)
        torch.testing.assert_close(norm, old.norm())


def test_without_gradients_there_is_nothing_to_clip() -> None:
    assert clip_each_gradient(_network().parameters(), limit=1.0).numel() == 0


def test_the_average_moves_by_one_minus_momentum() -> None:
    source = _network()
    average = copy.deepcopy(source)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(1.0)
    pairs = zip(average.parameters(), source.parameters(), strict=True)
    expected = [0.9 * old + 0.1 * new for old, new in pairs]
    update_average(average, source, momentum=0.9)
    for got, want in zip(average.parameters(), expected, strict=True):
        torch.testing.assert_close(got, want)
