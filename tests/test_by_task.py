"""One name for all tasks: options of another task are refused, not ignored."""

from typing import Any

import pytest

from endofm import by_task
from endofm.errors import ConfigError
from endofm.tasks import detect_config, segment_config
from endofm.tasks.classify_config import SamplingSettings


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        (
            "classify",
            {"scoring": segment_config.ScoringSettings()},
            "classifier; leave out scoring",
        ),
        (None, {"scoring": detect_config.ScoringSettings()}, "classifier; leave out scoring"),
        ("segment", {"classes": ["a"]}, "segmenter; leave out classes"),
        ("segment", {"sampling": SamplingSettings()}, "segmenter; leave out sampling"),
        ("segment", {"scoring": detect_config.ScoringSettings()}, "scoring is of another task"),
        ("detect", {"sampling": SamplingSettings()}, "detector; leave out sampling"),
        ("detect", {"scoring": segment_config.ScoringSettings()}, "scoring is of another task"),
    ],
)
def test_options_of_another_task_are_refused(
    task: str | None, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_task, "task_of", lambda _: task)
    with pytest.raises(ConfigError, match=words):
        by_task.evaluate("x.pth", **options)
