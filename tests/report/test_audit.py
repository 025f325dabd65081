import base64
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.errors import VideoError
from endofm.report.audit import MAX_PAIRS, NUM_FRAMES, Pair, Side, write_audit_page

TIMES_S = [float(second) for second in range(20)]


def frames_at(times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
    """Grey that tells the time: ten levels a second."""
    return [np.full((240, 320, 3), 10 * round(time_s), np.uint8) for time_s in times_s]


def unreadable(times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
    raise VideoError(f"gone.mp4 cannot be read at {times_s[0]}", hint="copy it again")


def side(name: str, *, split: str = "", later_s: float = 0) -> Side:
    times_s = [time_s + later_s for time_s in TIMES_S]
    return Side("set <1>", name, split, f"patient of {name}", times_s, frames_at)


def write(page: Path, pairs: Sequence[Pair], not_compared: Sequence[str] = ()) -> str:
    sets = [("sets/one", 1234), ("sets/two", 1)]
    write_audit_page(
        page, sets=sets, pairs=pairs, num_excluded=2 * len(pairs), not_compared=not_compared
    )
    return page.read_text(encoding="utf-8")


def greys(text: str) -> list[int]:
    pictures = [
        cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE)
        for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", text)
    ]
    return [round(float(np.asarray(picture).mean())) for picture in pictures]


def test_both_sides_are_shown_at_the_same_moments(tmp_path: Path) -> None:
    pair = Pair(side("a&b", split="train"), side("c", later_s=3), "9 frames")
    text = write(tmp_path / "audit.html", [pair])
    shown = greys(text)
    assert len(shown) == 2 * NUM_FRAMES
    apart = np.subtract(shown[NUM_FRAMES:], shown[:NUM_FRAMES])
    assert np.abs(apart - 30).max() <= 2  # three seconds of ten levels; JPEG rounds
    assert np.diff(shown[:NUM_FRAMES]).min() > 30
    assert "1 pair of videos overlaps" in text
    assert "set &lt;1&gt; (train)" in text
    assert "a&amp;b" in text
    assert "0:02.0" in text
    assert "0:05.0" in text
    assert "1,234 videos" in text
    assert "9 frames" in text


def test_the_rest_is_counted(tmp_path: Path) -> None:
    pairs = [Pair(side(f"v{n}", split="val"), side(f"w{n}"), "name") for n in range(MAX_PAIRS + 2)]
    text = write(tmp_path / "audit.html", pairs)
    assert len(greys(text)) == MAX_PAIRS * 2 * NUM_FRAMES
    assert f"{MAX_PAIRS} of {MAX_PAIRS + 2} pairs" in text
    assert re.search(rf"set &lt;1&gt; \(val\)</td><td>set &lt;1&gt;</td><td>{MAX_PAIRS + 2}<", text)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    gone = Side("one", "gone", "", "", TIMES_S, unreadable)
    text = write(tmp_path / "audit.html", [Pair(gone, side("c"), "name")], ["not read: broken.mp4"])
    assert "gone.mp4 cannot be read at 2.0" in text
    assert len(greys(text)) == NUM_FRAMES
    assert "not read: broken.mp4" in text


def test_nothing_overlaps(tmp_path: Path) -> None:
    text = write(tmp_path / "audit.html", [])
    assert "Nothing overlaps" in text
    assert "Side by side" not in text
