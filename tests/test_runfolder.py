from pathlib import Path

import pytest

from endofm.errors import RunError
from endofm.runfolder import RunFolder, append_line, drop_lines_after, read_lines


def test_lines_round_trip_and_a_cut_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2):
        append_line(path, {"step": step, "loss": 0.1 + step})
    with path.open("a") as file:
        file.write('{"step": 3, "lo')
    assert list(read_lines(path)) == [{"step": 1, "loss": 1.1}, {"step": 2, "loss": 2.1}]


def test_a_complete_record_without_its_line_end_is_dropped_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}')
    assert list(read_lines(path)) == [{"step": 1}]


def test_going_on_forgets_what_will_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in range(5):
        append_line(path, {"step": step})
    drop_lines_after(path, 2)
    assert [record["step"] for record in read_lines(path)] == [0, 1, 2]
    drop_lines_after(tmp_path / "absent.jsonl", 2)
    assert not (tmp_path / "absent.jsonl").exists()


def test_a_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(RunError, match=r"already holds a run; add --resume, or name another"):
        RunFolder(tmp_path).refuse_if_taken()


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match="is not empty and holds no run"):
        RunFolder(tmp_path).refuse_if_taken()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(RunError, match="is a file"):
        RunFolder(tmp_path / "x").refuse_if_taken()


def test_what_an_early_failure_left_is_no_obstacle(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.skipped.touch()
    run.videos.touch()
    run.refuse_if_taken()
    RunFolder(tmp_path / "absent").refuse_if_taken()


def test_a_second_score_of_a_reported_split_is_remarked(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.scored_before("test") == ()
    for split in ("test", "test-other", "val"):
        run.results(split).touch()
    assert run.scored_before("val") == ()
    for split in ("test", "test-other"):
        assert run.scored_before(split)[0].startswith(f"{split} was scored before")
