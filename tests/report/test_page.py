import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from endofm.errors import ConfigError, RunError
from endofm.report import write_report
from tests.report.builder import (
    add_figures,
    add_probes,
    add_skipped,
    build_run,
    probe_line,
    write_lines,
)


class Page(HTMLParser):
    """What a reader sees, and what a browser would load."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [v or "" for k, v in attributes if k in ("src", "href", "srcset", "data")]
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not (self.open and self.open[-1] == "style"):
            self.words.append(data)


@pytest.fixture
def full_run(tmp_path: Path) -> Path:
    run = build_run(tmp_path / "ssl", keys=["loss", "loss_cross_view", "teacher_entropy"])
    add_probes(run)
    add_skipped(run, [("videos/short.mp4", "5 frames, fewer than 8")])
    add_figures(run)
    return run


def test_a_page_is_written_into_the_run(full_run: Path) -> None:
    path = write_report([full_run])
    assert path == full_run / "report.html"
    page = Page(path)
    for words in (
        "finished: step 100 of 100",
        "k-NN accuracy",
        "Linear-probe accuracy",
        "Teacher entropy",
        "Global 2",
        "Local 8",
        "Mean of heads",
        "videos/short.mp4",
        "5 frames, fewer than 8",
        "endofm 0.1.0, torch 2.13.0, python 3.11.9",
        "endofm pretrain --data 'my clips' --out",
        "optimiser.learning_rate",
    ):
        assert words in page.text, words


def test_the_page_needs_nothing_but_itself(full_run: Path) -> None:
    page = Page(write_report([full_run]))
    assert all(source.startswith("data:image/") for source in page.loaded)
    assert len(page.loaded) > 100
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert "http" not in re.sub(r'src="[^"]*"', "", (full_run / "report.html").read_text())


def test_the_table_has_before_and_after_with_interval_and_n(full_run: Path) -> None:
    text = Page(write_report([full_run])).text
    row = text[text.index("Groups") :]
    assert (
        "k-NN accuracy polyps.csv · test 38.0 % synthetic [30.0–45.0 %], step 0 "  # noqa: RUF001
        "68.0 % synthetic [60.0–75.0 %], step 100 +30.0 points synthetic "  # noqa: RUF001
        "33.3 % synthetic 240 31"
    ) in row


def test_all_curves_are_on_the_page(tmp_path: Path) -> None:
    page = Page(write_report([build_run(tmp_path / "a")]))
    assert len(page.loaded) == 10
    for words in ("L_cv", "L_dm", "Feature spread", "Effective rank", "Learning rate"):
        assert words in page.text
    for words in ("Weight decay", "Teacher momentum", "Gradient norm", "Clips a second"):
        assert words in page.text


def test_a_single_probe_is_only_before(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a")
    write_lines(run / "probes.jsonl", [probe_line("knn_accuracy", 0, 0.5)])
    assert "[42.0–57.0 %], step 0 not yet probed" in Page(write_report([run])).text  # noqa: RUF001


def test_every_number_from_synthetic_clips_says_so(tmp_path: Path) -> None:
    pages = {}
    for note in ("synthetic", ""):
        run = build_run(tmp_path / f"note {note}", keys=["loss", "clips_per_s"], data_note=note)
        write_lines(
            run / "probes.jsonl",
            [{**probe_line("knn_accuracy", step, 0.5), "data_note": note} for step in (0, 9)],
        )
        pages[note] = Page(write_report([run])).text
    assert "synthetic" not in pages[""]
    for words in (
        r"k-NN accuracy 50\.0 % synthetic \[",
        r"Loss [\d.]+ synthetic",
        r"second [\d.]+ synthetic median",
        r"test 50\.0 % synthetic",
        r"step 0 50\.0 % synthetic",
        r"\+0\.0 points synthetic 33\.3 % synthetic",
    ):
        assert re.search(words, pages["synthetic"]), words


HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def test_text_from_files_cannot_become_markup(full_run: Path) -> None:
    settings: dict[str, Any] = {"data_note": HOSTILE, "model": HOSTILE, HOSTILE: HOSTILE}
    run = build_run(full_run.parent / "a<b>&c", **settings)
    (run / "environment.json").write_text('{"command": ["</pre><script>"], "python": "<b>"}')
    write_lines(
        run / "metrics.jsonl", [{"step": s, "loss": 1.0, "warning": HOSTILE} for s in range(9)]
    )
    hostile = {"list": HOSTILE, "split": HOSTILE, "data_note": HOSTILE}
    write_lines(run / "probes.jsonl", [{**probe_line(HOSTILE, s, 0.5), **hostile} for s in (0, 9)])
    (run / "skipped.csv").write_text(f'path,reason\n"{HOSTILE.replace(chr(34), "")}.mp4",</td>\n')
    for runs, out in (([run], None), ([run, full_run], full_run / "both.html")):
        page = Page(write_report(runs, out))
        assert "script" not in page.tags
        assert all(source.startswith("data:image/") for source in page.loaded)
        assert "<script>alert('x')</script>" in page.text
        assert "a<b>&c" in page.text


def test_warnings_stand_out(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a", keys=["loss"])
    assert "Warnings" not in Page(write_report([run])).text
    line = {"step": 1000, "warning": "collapse: all clips get nearly the same features"}
    write_lines(run / "metrics.jsonl", [line])
    assert (
        "Warnings From step 1,000: collapse: all clips get nearly the same features"
        in Page(write_report([run])).text
    )


def test_a_page_of_next_to_nothing(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a", steps=None)
    (run / "metrics.jsonl").unlink()
    text = Page(write_report([run])).text
    assert "No step has been logged yet." in text
    assert "Nothing was probed" in text
    assert "What the networks see" not in text


def test_a_page_of_a_single_step(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a", num_steps=10)
    text = Page(write_report([run])).text
    assert "step 10 of 10" in text
    assert "running mean" not in text
    long = build_run(tmp_path / "b", num_steps=700, keys=["loss"])
    assert "running mean" in Page(write_report([long])).text


def test_a_damaged_picture_costs_a_line_not_the_page(full_run: Path) -> None:
    (full_run / "figures" / "views.npz").write_bytes(b"PK")
    text = Page(write_report([full_run])).text
    assert "views.npz cannot be shown" in text
    assert "What the networks see" not in text
    assert "Where the teacher looks" in text


def test_many_skipped_videos_are_counted_and_some_shown(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a")
    add_skipped(run, [(f"v{i}.mp4", "damaged") for i in range(1234)])
    (run / "videos.json").write_text("[{}, {}]")
    text = Page(write_report([run])).text
    assert "1,234 left out of the training, 2 used." in text
    assert "v49.mp4" in text
    assert "v50.mp4" not in text
    assert "And 1,184 more" in text


def test_several_runs_stand_side_by_side(full_run: Path, tmp_path: Path) -> None:
    other = build_run(
        tmp_path / "other", keys=["loss", "loss_cross_view"], model="small", steps=500, data_note=""
    )
    out = tmp_path / "pages" / "compare.html"
    assert write_report([full_run, other], out) == out
    text = Page(out).text
    assert "2 runs side by side" in text
    assert "ssl synthetic finished: step 100 of 100 tiny" in text
    assert "other not finished: step 100 of 500 small" in text
    assert "Loss: cross-view, L_cv" in text
    assert "Local 8" in text


def test_runs_without_the_usual_settings_are_compared_too(full_run: Path, tmp_path: Path) -> None:
    bare = build_run(tmp_path / "bare")
    (bare / "config.yaml").write_text("odd: 1\n")
    (bare / "metrics.jsonl").unlink()
    assert "bare" in Page(write_report([full_run, bare], tmp_path / "both.html")).text


def test_what_can_go_wrong_is_said(full_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run to report on; name one or more run folders"):
        write_report([])
    with pytest.raises(ConfigError, match=r"a page about 2 runs; add --out page\.html"):
        write_report([full_run, full_run])
    with pytest.raises(RunError, match="holds no run"):
        write_report([tmp_path / "nowhere"])
    with pytest.raises(RunError, match=r"cannot be written .*; name another --out"):
        write_report([full_run], full_run / "config.yaml" / "page.html")


def test_the_report_does_without_torch(tmp_path: Path) -> None:
    run = build_run(tmp_path / "a")
    code = (
        "import sys; from pathlib import Path; from endofm.report import write_report;"
        f"write_report([Path({str(run)!r})]);"
        "sys.exit(bool({'torch', 'accelerate', 'av', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
