import errno
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from endofm import cli
from endofm.cli import COMMANDS, doctor
from tests.cli.conftest import Outcome

Endofm = Callable[..., Outcome]

PRETRAIN = ["pretrain", "--data", "x", "--out", "y"]


def test_without_a_command_all_are_listed(endofm: Endofm) -> None:
    for words in ([], ["--help"], ["data", "--help"]):
        outcome = endofm(*words)
        assert outcome.status == 0
        assert all(name in outcome.out for name in COMMANDS)


def test_the_version_is_that_of_the_package(endofm: Endofm) -> None:
    assert endofm("--version").out == f"endofm {version('endofm')}\n"


def test_an_unknown_command_is_told_in_one_line(endofm: Endofm) -> None:
    outcome = endofm("pertrain", "--data", "x")
    assert outcome.status == 2
    assert outcome.err.startswith(
        "error: no command 'pertrain'; choose demo, data synth, data pack"
    )
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.run([*name.split(), "--help"])
    assert end.value.code == 0
    assert f"usage: endofm {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pretrain", "--out", "x"], "Missing from endofm pretrain: --data"),
        (["data"], "no command 'data'; choose data synth"),
        (["data", "snyth"], "no command 'data snyth'; choose data synth"),
        ([*PRETRAIN, "--stpes", "3"], "there is no option --stpes; did you mean --steps?"),
        ([*PRETRAIN, "--zzz=3"], "there is no option --zzz; see endofm pretrain --help"),
        ([*PRETRAIN, "--steps", "x"], "--steps does not take 'x'; it takes INT"),
        ([*PRETRAIN, "--clip.target_fps=x"], "--clip.target-fps does not take 'x'; it takes FLOAT"),
        ([*PRETRAIN, "--seed", "-1"], "option 'seed': Input should be greater than or equal to 0"),
        (
            [*PRETRAIN, "--views.local-frames", "0"],
            "option 'local_frames.0': Input should",
        ),
        (["pretrain"], "Missing from endofm pretrain: --data"),
        (["embed"], "Missing from endofm embed: --weights"),
        ([*PRETRAIN, "--preset", "tiny", "--preset", "small"], "--preset is there 2 times; give"),
        (["pretrain", "--preset", "papr"], "no preset 'papr' for pretrain; choose paper, small"),
        (["pretrain", "--data", "/nowhere", "--out", "y"], "/nowhere: no such file or folder"),
        (["pretrain", "--out", "x", "--resume"], "x holds no run to go on with; check --out"),
        (["embed", "/nowhere", "--weights", "w.pth", "--out", "f.npz"], "/nowhere: no such"),
        (["report", "/nowhere"], "/nowhere holds no run"),
        (["convert", "/nowhere.pth", "x.safetensors"], "/nowhere.pth"),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_a_mistake_is_one_line_with_its_cure(
    words: list[str], message: str, endofm: Endofm
) -> None:
    outcome = endofm(*words)
    assert outcome.status == 2
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert "Traceback" not in outcome.err


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _raising(error: BaseException) -> Callable[[list[str]], None]:
    def command(words: list[str]) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status_and_line"),
    [
        (OSError(errno.ENOSPC, "No space left", "/x/y"), (2, "error: /x/y: No space left; make")),
        (RuntimeError("two\nlines"), (2, "error: unexpected RuntimeError: two lines; --debug")),
        (KeyboardInterrupt(), (130, "interrupted\n")),
        (KeyboardInterrupt("all is kept"), (130, "interrupted: all is kept\n")),
    ],
)
def test_nothing_reaches_a_user_as_a_traceback(
    error: BaseException,
    status_and_line: tuple[int, str],
    endofm: Endofm,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status, line = status_and_line
    monkeypatch.setattr(doctor, "main", _raising(error))
    outcome = endofm("doctor")
    assert (outcome.status, outcome.err.count("\n")) == (status, 1)
    assert outcome.err.startswith(line)


def test_debug_shows_where_an_error_came_from(
    endofm: Endofm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "main", _raising(RuntimeError("here")))
    with pytest.raises(RuntimeError, match="here"):
        endofm("doctor", "--debug")


def test_the_doctor_finds_this_machine_ready(endofm: Endofm) -> None:
    outcome = endofm("doctor")
    assert outcome.status == 0
    assert "matrix rate" in outcome.out
    assert "ready" in outcome.out


def test_a_training_that_is_stopped_ends_the_tour(
    endofm: Endofm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from endofm.cli import demo
    from endofm.tasks.pretrain import PretrainResult

    out = tmp_path / "demo"
    monkeypatch.setattr(demo, "_make_clips", lambda *_: out / "data" / "clips.csv")
    monkeypatch.setattr(demo, "pretrain", lambda config: PretrainResult(config.out, 3, 60))
    monkeypatch.setattr(demo, "finetune", lambda _: pytest.fail("the tour went on"))
    stopped = endofm("demo", "--out", out)
    assert stopped.status == 130
    assert f"begin again with: endofm demo --out {out} --overwrite" in stopped.err
