import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from endofm.engine import checkpoint
from endofm.engine.checkpoint import complete_checkpoints, load_checkpoint, save_checkpoint
from endofm.errors import RunError


def _trained(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return network, optimizer


def _save(
    folder: Path, step: int, *, keep: int = 2, seed: int = 0, best: bool = False
) -> tuple[nn.Module, Any]:
    network, optimizer = _trained(seed)
    save_checkpoint(
        folder,
        step,
        networks={"student": network},
        optimizer=optimizer,
        tensors={"centre": torch.arange(3.0)},
        facts={"scaler": None},
        keep=keep,
        best=best,
    )
    return network, optimizer


def test_everything_comes_back(tmp_path: Path) -> None:
    network, optimizer = _save(tmp_path, 7)
    other, other_optimizer = _trained(1)
    tensors, facts = load_checkpoint(
        tmp_path / "step-000007", networks={"student": other}, optimizer=other_optimizer
    )
    assert facts == {"step": 7, "scaler": None}
    torch.testing.assert_close(tensors, {"centre": torch.arange(3.0)})
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        old, new = optimizer.state[a], other_optimizer.state[b]
        assert old.keys() == new.keys()
        assert all(torch.equal(old[key], new[key]) for key in old)


def test_parameters_that_never_moved_have_no_state(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    save_checkpoint(
        tmp_path, 1, networks={"n": network}, optimizer=optimizer, tensors={}, facts={}, keep=1
    )
    load_checkpoint(tmp_path / "step-000001", networks={"n": network}, optimizer=optimizer)
    assert not optimizer.state


def test_only_the_newest_stay_and_last_points_to_the_newest(tmp_path: Path) -> None:
    for step in (5, 10, 1_000_000, 15):
        if step != 15:
            _save(tmp_path, step)
    assert [p.name for p in complete_checkpoints(tmp_path)] == ["step-000010", "step-1000000"]
    assert (tmp_path / "last").resolve().name == "step-1000000"


def test_a_full_disk_keeps_the_last_complete_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _save(tmp_path, 5)

    def full(tensors: dict[str, Tensor], path: Path, metadata: object = None) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left.*--resume"):
        _save(tmp_path, 10)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir() and not p.is_symlink()] == [
        "step-000005"
    ]


@pytest.mark.parametrize("name", ["student.safetensors", "training.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str) -> None:
    network, optimizer = _save(tmp_path, 5)
    (tmp_path / "step-000005" / name).write_bytes(b"{")
    with pytest.raises(RunError, match="step-000005: damaged"):
        load_checkpoint(
            tmp_path / "step-000005", networks={"student": network}, optimizer=optimizer
        )


def test_the_best_checkpoint_stays_until_there_is_a_better(tmp_path: Path) -> None:
    for step in range(1, 6):
        _save(tmp_path, step, keep=1, best=step in (2, 4))
        best = 4 if step >= 4 else 2
        if step >= 2:
            assert (tmp_path / "best").resolve().name == f"step-{best:06d}"
    assert [p.name for p in complete_checkpoints(tmp_path)] == ["step-000004", "step-000005"]
