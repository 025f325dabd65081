from pathlib import Path

import numpy as np
import pytest

from endofm.errors import RunError
from endofm.report.segment_frames import (
    HEIGHT,
    MAX_SEQUENCES_SHOWN,
    WIDTH,
    FrameTable,
    by_size,
    over_time,
    read_frames,
)
from tests.report.segment_builder import Row, rows_of, usual_rows, write_table


def table(folder: Path, rows: list[Row]) -> FrameTable:
    found = read_frames(write_table(folder, rows))
    assert found is not None
    return found


def corners(line: str) -> np.ndarray:
    return np.array([point.split(",") for point in line.split(" ")], dtype=float)


def test_dice_is_drawn_frame_by_frame_with_gaps_where_no_lesion_is(tmp_path: Path) -> None:
    rows = rows_of("a", [0.25, 0.5, None, None, 1.0])
    found = over_time(table(tmp_path, rows[::-1]))
    (trace,) = found.traces
    assert (trace.sequence, trace.first, trace.last) == ("a", 0, 4)
    assert trace.mean_dice == pytest.approx(1.75 / 3)
    assert trace.num_lesion_frames == 3
    first, alone = (corners(line) for line in trace.lines)
    assert first.tolist() == [[WIDTH * 0.1, HEIGHT * 0.75], [WIDTH * 0.3, HEIGHT * 0.5]]
    assert alone[:, 1].tolist() == [0, 0]
    assert alone[:, 0].mean() == WIDTH * 0.9
    assert 0 < np.ptp(alone[:, 0]) <= WIDTH / 5
    assert trace.lesion_free == ((WIDTH * 0.4, WIDTH * 0.4),)


def test_a_frame_that_is_not_in_the_table_is_a_gap_too(tmp_path: Path) -> None:
    rows = rows_of("a", [0.2, 0.3, 0.4, 0.5, 0.6])
    del rows[2]
    (trace,) = over_time(table(tmp_path, rows)).traces
    assert [len(corners(line)) for line in trace.lines] == [2, 2]
    assert trace.lesion_free == ()


def test_a_single_frame_is_a_dash_in_the_middle(tmp_path: Path) -> None:
    (trace,) = over_time(table(tmp_path, rows_of("a", [0.5]))).traces
    points = corners(trace.lines[0])
    assert points[:, 0].mean() == WIDTH / 2
    assert points[0, 0] < points[1, 0] < WIDTH


def test_long_sequences_are_thinned_but_keep_their_extremes(tmp_path: Path) -> None:
    dice: list[float | None] = [0.5] * 6000
    dice[3210] = 0.0
    (trace,) = over_time(table(tmp_path, rows_of("a", dice))).traces
    points = corners(trace.lines[0])
    assert len(points) <= 1000
    assert points[:, 1].max() == HEIGHT


def test_the_worst_sequences_are_shown_first_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [row for i in range(33) for row in rows_of(f"s{i}", [1 - 0.01 * i])]
    rows += rows_of("empty", [None, None])
    found = over_time(table(tmp_path, rows))
    assert [trace.sequence for trace in found.traces[:2]] == ["s32", "s31"]
    assert len(found.traces) == MAX_SEQUENCES_SHOWN
    assert (found.num_more, found.num_lesion_free) == (3, 1)


def test_quarters_by_size_have_their_medians(tmp_path: Path) -> None:
    rows = [
        Row(f"s{i}", 0, f"p{i % 3}", 100 * (i + 1), dice=0.1 * (i + 1)) for i in reversed(range(8))
    ]
    found = by_size(table(tmp_path, [*rows, *rows_of("free", [None])]))
    assert found is not None
    assert [quarter.median_dice for quarter in found.quarters] == pytest.approx(
        [0.15, 0.35, 0.55, 0.75]
    )
    assert [(quarter.n, quarter.num_groups) for quarter in found.quarters] == [(2, 2)] * 4
    assert [quarter.low for quarter in found.quarters] == pytest.approx(
        [0.001, 0.003, 0.005, 0.007]
    )
    assert found.quarters[3].high == pytest.approx(0.008)


def test_quarters_hold_every_lesion_frame_once(tmp_path: Path) -> None:
    rows = usual_rows()
    found = by_size(table(tmp_path, rows))
    assert found is not None
    assert sum(quarter.n for quarter in found.quarters) == sum(row.lesion_px > 0 for row in rows)


def test_lesions_of_one_size_are_one_quarter(tmp_path: Path) -> None:
    found = by_size(table(tmp_path, rows_of("a", [0.1, 0.2, 0.3, 0.4, 0.5])))
    assert found is not None
    assert [(quarter.n, quarter.median_dice) for quarter in found.quarters] == [(5, 0.3)]


def test_without_lesions_there_is_nothing_to_draw(tmp_path: Path) -> None:
    found = table(tmp_path, rows_of("a", [None]))
    assert by_size(found) is None
    assert (over_time(found).traces, over_time(found).num_lesion_free) == ((), 1)
    assert by_size(table(tmp_path, [])) is None
    assert read_frames(tmp_path / "none.csv") is None


@pytest.mark.parametrize(
    "row",
    [
        "a,0",
        "a,x,p,10,100,0.5",
        "a,0,p,-1,100,",
        "a,0,p,101,100,0.5",
        "a,0,p,0,0,",
        "a,0,p,0,100,0.5",
        "a,0,p,10,100,1.5",
        f"a,{10**30},p,10,100,0.5",
        "a,0,p,10,100,\xff",
    ],
)
def test_a_damaged_table_is_one_clear_error(row: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions-test.csv"
    text = f"sequence,frame,group,lesion_px,num_px,dice\na,0,p,10,100,0.5\n{row}\n"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"predictions-test\.csv: damaged .* endofm evaluate again"):
        read_frames(path)


def test_a_table_of_something_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "predictions-test.csv"
    path.write_text("path,label\na.mp4,polyp\n")
    with pytest.raises(RunError, match=r"damaged \('lesion_px'\)"):
        read_frames(path)
