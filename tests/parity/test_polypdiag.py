"""The fine-tuned classifier, read from the original's checkpoint, gives the original's logits."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from endofm.convert import convert
from endofm.engine.loading import load
from tests.parity.golden_fill import compare, fill_array, make_input

pytestmark = pytest.mark.parity

Keys = Callable[[str], dict[str, Any]]
Golden = Callable[[str], Mapping[str, Any]]

CLIPS = "clip2x3x8x224x224"


def _filled(keys: Mapping[str, Any], seed: int) -> OrderedDict[str, Tensor]:
    """The golden fill goes by names without the prefix of distributed training."""
    return OrderedDict(
        (key, torch.from_numpy(fill_array(key.removeprefix("module."), entry["shape"], seed)))
        for key, entry in keys.items()
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_originals_checkpoint_gives_its_logits_in_both_formats(
    golden: Golden, golden_keys: Keys, tmp_path: Path
) -> None:
    vectors = golden("polypdiag")
    seed = int(vectors["seed"])
    parts = {
        name: _filled(golden_keys(f"polypdiag_{name}"), seed)
        for name in ("backbone_state_dict", "state_dict")
    }
    clips = torch.from_numpy(make_input(CLIPS, (2, 3, 8, 224, 224), seed))
    original, ours = tmp_path / "polypdiag.pth", tmp_path / "polypdiag.safetensors"
    try:
        torch.save({"epoch": 20, **parts, "best_acc": 0.9}, original)
        assert convert(original, ours).kind == "classifier"
        for path in (original, ours):
            with torch.no_grad():
                logits = load(path, task="classify")(clips)
            compare(logits.numpy(), vectors, "logits", rtol=1e-5, atol=1e-5)
            loss = F.cross_entropy(logits, torch.tensor([0, 1]))
            assert float(loss) == pytest.approx(float(vectors["ce_loss_targets_0_1"]), rel=1e-5)
    finally:  # half a gigabyte each, which pytest would keep
        original.unlink(missing_ok=True)
        ours.unlink(missing_ok=True)
