import math

import pytest
import torch

from endofm.models import Classifier, TimeSformer


@pytest.fixture
def backbone() -> TimeSformer:
    torch.manual_seed(0)
    return TimeSformer(embed_dim=64, depth=2, num_heads=2, grid=2, num_frames=2).eval()


def test_a_linear_layer_reads_the_class_token(backbone: TimeSformer) -> None:
    classifier = Classifier(backbone, num_classes=3)
    clips = torch.randn(2, 3, 2, 32, 32)
    expected = backbone(clips) @ classifier.linear.weight.T + classifier.linear.bias
    torch.testing.assert_close(classifier(clips), expected)
    assert not classifier.linear.bias.any()
    assert 0.005 < float(classifier.linear.weight.detach().std()) < 0.02


def test_the_attentive_pool_equals_written_out_sums(backbone: TimeSformer) -> None:
    classifier = Classifier(backbone, num_classes=3, pooling="attentive")
    pool = classifier.pool
    assert pool is not None
    torch.nn.init.normal_(pool.query)
    tokens = torch.randn(2, 5, 64)
    normed = torch.nn.functional.layer_norm(tokens, (64,), pool.norm.weight, pool.norm.bias, 1e-6)
    keys, values = (normed @ pool.key_value.weight.T + pool.key_value.bias).split(64, dim=-1)
    weights = (keys @ pool.query[0, 0] / math.sqrt(64)).softmax(dim=1)  # (B, L), the one head's
    read = torch.einsum("bl,bld->bd", weights, values)
    torch.testing.assert_close(pool(tokens), pool.proj(read))


def test_the_attentive_pool_reads_all_tokens(backbone: TimeSformer) -> None:
    classifier = Classifier(backbone, num_classes=3, pooling="attentive").eval()
    clips = torch.randn(2, 3, 2, 32, 48)
    assert classifier(clips).shape == (2, 3)
    tokens = backbone.tokens(clips)
    assert classifier.pool is not None
    torch.testing.assert_close(classifier(clips), classifier.linear(classifier.pool(tokens)))
