import pytest

from endofm import progress
from endofm.progress import ProgressBar


def test_outside_a_terminal_the_end_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("reading", total=3, unit="videos") as bar:
        for done in (1, 2, 3):
            bar.update(done)
    assert capsys.readouterr().err.startswith("reading: 3/3 ")


def test_lines_come_now_and_then_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with ProgressBar("reading", total=10, unit="videos") as bar:
        bar.set(5, 20)
    assert "5/20" in (lines := capsys.readouterr().err.splitlines())[0]
    assert "min left" in lines[0]


def test_nothing_is_shown_when_nothing_shall_be(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("reading", total=1, show=False) as bar:
        bar.update(1)
        bar.say("hello")
    assert capsys.readouterr().err == ""
