from collections.abc import Callable
from pathlib import Path

import pytest

from endofm.cli import pretrain
from endofm.runfolder import RunFolder
from endofm.tasks.pretrain import PretrainResult
from tests.cli.conftest import Outcome

Endofm = Callable[..., Outcome]


def _interrupted(*_: object, **__: object) -> PretrainResult:
    raise KeyboardInterrupt


@pytest.mark.parametrize("saved", [False, True])
def test_an_interrupted_start_says_what_is_left(
    saved: bool, endofm: Endofm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if saved:
        state = RunFolder(tmp_path).last_state
        state.parent.mkdir(parents=True)
        state.touch()
    told = "what was saved before is kept" if saved else "nothing is saved"
    monkeypatch.setattr(pretrain, "pretrain", _interrupted)
    outcome = endofm("pretrain", "--data", tmp_path, "--out", tmp_path)
    assert (outcome.status, outcome.err) == (130, f"interrupted: {told} in {tmp_path}\n")


def test_a_stopped_run_is_no_success_and_says_how_to_go_on(
    endofm: Endofm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "pretrain", lambda *_, **__: PretrainResult(tmp_path, 3, 9))
    monkeypatch.setattr(pretrain, "write_report", lambda runs: runs[0] / "report.html")
    outcome = endofm("pretrain", "--data", tmp_path, "--out", tmp_path)
    assert outcome.status == 130
    assert outcome.err == (
        f"interrupted: step 3 of 9 is saved in {tmp_path}; "
        f"go on with: endofm pretrain --out {tmp_path} --resume\n"
    )
