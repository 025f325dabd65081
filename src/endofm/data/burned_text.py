"""Writing that was burned into a video, such as a patient's name, and how it is blackened.

In the border nothing is lit but writing, so all that is lit there is taken for it. Over the
content writing is what stays while the scene moves: thin strokes, side by side in a line, that are
brighter (or darker) than all around them at nearly all times.

Axes: N frames, H and W pixels.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.data.content_area import border_level, brightest, find_content

MIN_MOVING_FRAMES = 4
"""Fewer frames cannot tell what moves: then only the border is searched."""
STROKE_SHARE = 0.03
"""Of the short side: the width that strokes stay below."""
CONTRAST = 35
"""Grey levels by which strokes stand out from what they cover."""
BORDER_RISE = 12
"""Grey levels by which writing stands out from the border, besides what content must."""
RIM_SHARE = 0.02
"""Of the short side: the seam around the content, where its light strays."""
GAP_SHARE = 0.06
"""Of the short side: the widest gap between letters of a line."""
MIN_HEIGHT_PX, MAX_HEIGHT_SHARE = 5, 0.12
"""Of a line of writing over the content; the largest as a share of the short side."""
MIN_ASPECT = 1.4
MIN_STROKES = 2.5
"""Mean number of strokes that a row of the line crosses."""
MIN_STROKES_A_SQUARE = 0.55
"""The same in a part as wide as the line is high: the edge of an instrument has fewer."""
FILL = (0.08, 0.8)
"""Share of its box that a line's strokes cover."""
STEADY = 40
"""Grey levels by which compression may change a stroke over time."""
MOST = 0.6
"""Share of the pixels of strokes that are as steady as that."""
STILL = 0.65
"""Share of the surroundings' change that strokes may have."""
MOVING = 12
"""Grey levels by which the surroundings must change for writing to be told from the scene."""

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]


def find_text(lumas: Sequence[NDArray[np.uint8]]) -> tuple[Box, ...]:
    """Find burned-in writing in a video from frames spread over it; sixteen are plenty.

    Whatever else is lit in the border, such as a logo or a second small picture, is found too.
    Over a scene that stands still it is found in the border alone.

    Args:
        lumas: N frames of one size, each (H, W) uint8.

    Returns:
        Boxes x1, y1, x2, y2 in pixels, the last two exclusive, that do not overlap, from the top.

    Raises:
        ValueError: There are no frames, or their sizes differ.
    """
    bright = brightest(lumas)
    content = find_content(lumas).mask(*bright.shape)
    found = list(_in_border(bright, content))
    if len(lumas) >= MIN_MOVING_FRAMES:
        stack = np.stack(list(lumas))  # (N, H, W)
        few = len(stack) // 10
        parts = np.partition(stack, (few, len(stack) - 1 - few), axis=0)
        low, high = parts[few], parts[-1 - few]
        change = high.astype(np.int16) - low
        found += _lines(_strokes(low), change)
        found += _lines(_strokes(255 - high) & content, change)  # gaps in writing are dark as well
    return _merged([_grown(box, bright.shape) for box in found])


def mask_text(
    picture: NDArray[np.uint8] | Sequence[NDArray[np.uint8]], boxes: Iterable[Box]
) -> None:
    """Blacken boxes in place.

    Boxes are made even outward, so that all planes are blackened alike.

    Args:
        picture: (H, W, 3) uint8 RGB, or the planes of yuv420p in limited range: (H, W) luma and
            two of half that height and width (rounded up).
        boxes: x1, y1, x2, y2 in pixels, the last two exclusive.

    Raises:
        ValueError: The picture is something else.
    """
    planes = (picture,) if isinstance(picture, np.ndarray) else tuple(picture)
    if [plane.ndim for plane in planes] not in ([3], [2, 2, 2]):
        raise ValueError("give an RGB picture (H, W, 3) or three planes (H, W)")
    for box in boxes:
        x1, y1 = (max(side, 0) // 2 for side in box[:2])
        x2, y2 = ((max(side, 0) + 1) // 2 for side in box[2:])
        planes[0][2 * y1 : 2 * y2, 2 * x1 : 2 * x2] = 16 if len(planes) == 3 else 0
        for plane in planes[1:]:
            plane[y1:y2, x1:x2] = 128


def _in_border(bright: Bytes, content: Mask) -> Iterator[Box]:
    """Boxes around what is lit outside the content."""
    border = border_level(bright)
    if border is None:
        return
    seam = _share_px(bright.shape, RIM_SHARE)
    outside = ~_dilated(content, (2 * seam + 1, 2 * seam + 1))
    lit = outside & (bright > border[0] + border[1] + BORDER_RISE)
    gap = _share_px(bright.shape, GAP_SHARE)
    for box, own in _parts(lit, _dilated(lit, (gap | 1, max(gap // 4, 1) | 1))):
        x1, y1, x2, y2 = box
        if own.sum() >= 6 and min(x2 - x1, y2 - y1) >= 3:  # else a speck, or a hair at the edge
            yield box


def _strokes(steady: Bytes) -> Mask:
    """What is thin and bright in what each pixel is at least, at nearly all times."""
    side = _share_px(steady.shape, STROKE_SHARE) | 1
    kernel = np.ones((side, side), np.uint8)
    thin: Mask = cv2.morphologyEx(steady, cv2.MORPH_TOPHAT, kernel) > CONTRAST
    return thin


def _lines(strokes: Mask, change: NDArray[np.int16]) -> Iterator[Box]:
    """Boxes of lines of strokes that stay while what is around them changes."""
    gap = _share_px(strokes.shape, GAP_SHARE)
    bits = strokes.astype(np.uint8)
    joined = cv2.morphologyEx(
        np.pad(bits, gap), cv2.MORPH_CLOSE, np.ones((max(gap // 4, 1) | 1, gap | 1), np.uint8)
    )[gap:-gap, gap:-gap]
    for box, own in _parts(strokes, joined > 0):
        if _is_line(own, min(strokes.shape)) and _stays(box, own, change):
            yield box


def _is_line(strokes: Mask, short_px: int) -> bool:
    """Whether the strokes of a box, (h, w), look like letters side by side."""
    height, width = strokes.shape
    if not MIN_HEIGHT_PX <= height <= MAX_HEIGHT_SHARE * short_px or width < MIN_ASPECT * height:
        return False
    starts = np.diff(strokes.astype(np.int8), axis=1, prepend=0) == 1
    crossed = float(starts.sum()) / height
    return (
        crossed >= MIN_STROKES
        and crossed >= MIN_STROKES_A_SQUARE * width / height
        and FILL[0] <= float(strokes.mean()) <= FILL[1]
    )


def _stays(box: Box, strokes: Mask, change: NDArray[np.int16]) -> bool:
    """Whether strokes stand still while what is around them moves."""
    x1, y1, x2, y2 = box
    reach = 2 * (y2 - y1)
    top, left = max(y1 - reach, 0), max(x1 - reach, 0)
    around = change[top : y2 + reach, left : x2 + reach]
    inner = np.zeros(around.shape, dtype=np.bool_)
    inner[y1 - top : y2 - top, x1 - left : x2 - left] = True
    if inner.all():
        return False
    moved = float(around[~inner].mean())
    own = change[y1:y2, x1:x2][strokes]
    is_still = float(np.median(own)) <= STILL * moved and float(np.mean(own <= STEADY)) >= MOST
    return moved >= MOVING and is_still


def _parts(bits: Mask, joined: Mask) -> Iterator[tuple[Box, Mask]]:
    """The box of each connected part of ``joined``, drawn close around its ``bits``, and them."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(joined.astype(np.uint8))
    for part in range(1, number):
        left, top, width, height = (int(value) for value in stats[part, :4])
        here = np.s_[top : top + height, left : left + width]
        own = bits[here] & (labels[here] == part)
        rows, columns = (np.flatnonzero(own.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            y1, y2, x1, x2 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            box = (left + int(x1), top + int(y1), left + int(x2), top + int(y2))
            yield box, own[y1:y2, x1:x2]


def _dilated(bits: Mask, size_wh: tuple[int, int]) -> Mask:
    kernel = np.ones(size_wh[::-1], np.uint8)
    return cv2.dilate(bits.astype(np.uint8), kernel).view(np.bool_)


def _share_px(shape: tuple[int, ...], share: float) -> int:
    return max(round(share * min(shape)), 2)


def _grown(box: Box, shape: tuple[int, ...]) -> Box:
    """With a margin for the letters' soft edges, inside the frame."""
    x1, y1, x2, y2 = box
    margin = max(round(0.2 * (y2 - y1)), 2)
    return (
        max(x1 - margin, 0),
        max(y1 - margin, 0),
        min(x2 + margin, shape[1]),
        min(y2 + margin, shape[0]),
    )


def _merged(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Boxes that overlap or touch become one, until none do."""
    kept: list[Box] = []
    for box in boxes:
        joined = box
        while near := [other for other in kept if _touch(joined, other)]:
            kept = [other for other in kept if other not in near]
            lows = np.min([joined, *near], axis=0)
            highs = np.max([joined, *near], axis=0)
            joined = (int(lows[0]), int(lows[1]), int(highs[2]), int(highs[3]))
        kept.append(joined)
    return tuple(sorted(kept, key=lambda box: (box[1], box[0])))


def _touch(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
