"""Where in the frames of a video the endoscope's picture is, inside its border.

The brightest that each pixel becomes over time is set against the level of the border; what is
thin, such as writing, is taken away; what is large of the rest is compared with a rectangle, a
circle and an octagon.

Axes: N frames, H and W pixels, K points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Shape = Literal["full", "rectangle", "circle", "octagon"]

BORDER_AT_MOST = 64
"""Luma above which the darkest part of a picture is not a border; some processors' are grey."""
RISE = 8
"""Grey levels by which content must rise above the border, besides the border's noise."""
RISE_FROM_BLACK = 5
"""The same above a border that is black to the bit; dark tissue is hardly brighter."""
THIN_SHARE = 0.08
"""Of the frame's short side: what is thinner, letters above all, is no content."""
GAP_SHARE = 0.06
"""Dark stretches up to this share of the short side do not divide the content."""
PART_SHARE = 0.3
"""Of the largest lit part: a part from this size on is content that darkness cuts off."""
SMALLEST_SHARE = 0.02
"""A lit area below this share of the frame says nothing of the content."""
DIM_SHARE = 0.1
"""Of a circle's radius: how much of its rim may be too dark to be seen."""
RECTANGLE_LOSS = 0.015
"""Share of a rectangle that noise and rounding at its corners may take."""

Mask = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Points = NDArray[np.float64]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class ContentArea:
    """The endoscope's picture within the frame; coordinates count pixels from the corner's edge."""

    shape: Shape
    """A circle that the frame or the box cuts off is a circle."""
    box_xyxy: Box
    """In pixels, the last two exclusive."""
    centre_xy: tuple[float, float] | None = None
    """Of a circle, in pixels."""
    radius_px: float | None = None
    """Of a circle."""
    corners_xy: tuple[tuple[int, int], ...] = ()
    """Of an octagon, in pixels, clockwise from the top."""

    def mask(self, height: int, width: int) -> Mask:
        """The area as (H, W) bool, in the frame that it was found in."""
        x1, y1, x2, y2 = self.box_xyxy
        inside = np.zeros((height, width), dtype=np.bool_)
        inside[y1:y2, x1:x2] = True
        if self.centre_xy is not None and self.radius_px is not None:
            inside &= _disc((height, width), self.centre_xy, self.radius_px)
        if self.corners_xy:
            inside &= _polygon((height, width), np.array(self.corners_xy))
        return inside


def find_content(lumas: Sequence[NDArray[np.uint8]]) -> ContentArea:
    """Find the content area of a video from frames spread over it; sixteen are plenty.

    Frames that are all dark tell nothing: then the area is the whole frame.

    Args:
        lumas: N frames of one size, each (H, W) uint8.

    Raises:
        ValueError: There are none, or their sizes differ.
    """
    bright = brightest(lumas)
    height, width = bright.shape
    whole = ContentArea("full", (0, 0, width, height))
    lit = _lit(bright)
    content = _large_parts(lit)
    if content is None:
        return whole
    hull, filled = _hull(content)
    box = _box(filled)
    if _loss(filled, _rectangle(filled.shape, box)) <= RECTANGLE_LOSS:
        return whole if _is_whole(box, height, width) else ContentArea("rectangle", box)
    return _rounded_or_cut(hull, filled, box)


def brightest(lumas: Sequence[NDArray[np.uint8]]) -> Bytes:
    """The brightest of each pixel over time, but for a tenth of the frames: (H, W) uint8.

    Raises:
        ValueError: There are no frames, or their sizes differ.
    """
    if not len(lumas) or any(luma.shape != lumas[0].shape for luma in lumas):
        raise ValueError("give at least one frame, and frames of one size")
    stack = np.stack(list(lumas))  # (N, H, W)
    kept = len(stack) - 1 - len(stack) // 10  # a flash or a menu in few frames does not count
    return np.partition(stack, kept, axis=0)[kept]


def border_level(bright: Bytes) -> tuple[float, float] | None:
    """Luma of the border and how far above it is content; ``None`` where there is no border."""
    level = float(np.percentile(bright, 1))
    if level > BORDER_AT_MOST:
        return None
    border = bright[bright <= level + RISE]
    median = float(np.median(border))
    if median == 0:  # clipped, so without noise: what is a little brighter is dark tissue
        return median, RISE_FROM_BLACK
    return median, RISE + 4 * float(border.std())


def _lit(bright: Bytes) -> Mask:
    border = border_level(bright)
    if border is None:
        return np.ones(bright.shape, dtype=np.bool_)
    smooth = cv2.medianBlur(bright, 5)  # takes single pixels of noise away and keeps edges
    lit: Mask = smooth > border[0] + border[1]
    return lit


def _large_parts(lit: Mask) -> Mask | None:
    """The largest part and those near its size, without what is thin; ``None`` if hardly lit."""
    short = min(lit.shape)
    bits = lit.astype(np.uint8)
    closed = _morphed(bits, cv2.MORPH_CLOSE, THIN_SHARE / 8 * short)
    solid = _morphed(closed, cv2.MORPH_OPEN, THIN_SHARE * short)
    joined = _morphed(solid, cv2.MORPH_CLOSE, GAP_SHARE * short)
    count, labels, found, _ = cv2.connectedComponentsWithStats(joined)
    if count < 2:
        return None
    areas = found[1:, cv2.CC_STAT_AREA]
    if areas.max() < SMALLEST_SHARE * lit.size:
        return None
    is_large = np.concatenate([[False], areas >= PART_SHARE * areas.max()])
    content: Mask = is_large[labels]
    return content


def _morphed(bits: Bytes, operation: int, side_px: float) -> Bytes:
    """Opened or closed with a square; beyond the frame is nothing."""
    side = max(round(side_px), 1) | 1  # an even one would shift what it morphs
    padded = np.pad(bits, side)
    done = cv2.morphologyEx(padded, operation, np.ones((side, side), np.uint8))
    return np.ascontiguousarray(done[side:-side, side:-side]).astype(np.uint8, copy=False)


def _hull(content: Mask) -> tuple[Points, Mask]:
    """The convex hull's corners (K, 2) in pixel numbers, and the hull as (H, W) bool."""
    outlines, _ = cv2.findContours(content.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(outlines)).reshape(-1, 2)
    return hull.astype(np.float64), _polygon(content.shape, hull)


def _box(filled: Mask) -> Box:
    """Bounds without a hair that stands out: the outermost lines with some of the content."""
    rows, columns = (_ends(filled.sum(axis=axis)) for axis in (1, 0))
    return columns[0], rows[0], columns[1], rows[1]


def _ends(profile: NDArray[np.int64]) -> tuple[int, int]:
    wide = np.flatnonzero(profile >= max(0.03 * profile.max(), 1))
    return int(wide[0]), int(wide[-1]) + 1


def _is_whole(box: Box, height: int, width: int) -> bool:
    slack = max(round(0.006 * min(height, width)), 1)
    x1, y1, x2, y2 = box
    return max(x1, y1, width - x2, height - y2) <= slack


def _rounded_or_cut(hull: Points, filled: Mask, box: Box) -> ContentArea:
    """The circle or octagon that is nearer to the hull."""
    octagon = ContentArea("octagon", box, corners_xy=_octagon(filled, box))
    arc = _arc(hull, box)
    fitted = _fit_circle(arc) if len(arc) >= 8 else None
    if fitted is None:
        return octagon
    circle = ContentArea("circle", box, centre_xy=fitted[:2], radius_px=fitted[2])
    losses = [_loss(filled, area.mask(*filled.shape)) for area in (circle, octagon)]
    if losses[1] < losses[0]:
        return octagon
    return replace(circle, box_xyxy=_box_of_circle(*fitted, box=box, shape=filled.shape))


def _box_of_circle(x: float, y: float, radius: float, *, box: Box, shape: tuple[int, ...]) -> Box:
    """The circle's bounds where the content nearly reaches them; where it is cut, the cut."""
    bounds = (x - radius, y - radius, x + radius, y + radius)
    limits = (shape[1], shape[0]) * 2
    x1, y1, x2, y2 = (
        min(max(round(bound), 0), limit) if abs(bound - found) < DIM_SHARE * radius else found
        for bound, found, limit in zip(bounds, box, limits, strict=True)
    )
    return x1, y1, x2, y2


def _arc(hull: Points, box: Box) -> Points:
    """Points along the hull's outline every few pixels, without those on the box's sides."""
    steps = []
    for start, end in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        number = max(int(np.hypot(*(end - start)) / 3), 1)
        steps.append(start + (end - start) * np.arange(number)[:, None] / number)
    outline = np.concatenate(steps) + 0.5  # (K, 2), pixels' middles
    x1, y1, x2, y2 = box
    x, y = outline.T
    away: Mask = np.minimum.reduce([x - x1, y - y1, x2 - x, y2 - y]) > 3
    return outline[away]


def _fit_circle(points: Points) -> tuple[float, float, float] | None:
    """Centre and radius by least squares; points inside the circle, dark content, are let go."""
    kept = points
    for _ in range(6):
        system = np.column_stack([2 * kept, np.ones(len(kept))])
        answer, _, rank, _ = np.linalg.lstsq(system, (kept**2).sum(axis=1), rcond=None)
        if rank < 3:
            return None
        x, y, rest = (float(value) for value in answer)
        radius = float(np.sqrt(max(rest + x * x + y * y, 0)))
        residual = np.hypot(points[:, 0] - x, points[:, 1] - y) - radius
        scale = 1.5 * float(np.median(np.abs(residual))) + 0.5
        near = (residual > -2 * scale) & (residual < 4 * scale)
        if near.sum() < max(8, 0.4 * len(points)):
            return x, y, radius + 0.5
        kept = points[near]
    return x, y, radius + 0.5


def _octagon(filled: Mask, box: Box) -> tuple[tuple[int, int], ...]:
    """The box without its corners: each cut by the line that touches the content."""
    x1, y1, x2, y2 = box
    inside = filled[y1:y2, x1:x2]
    top, bottom = _reach(inside[:3].T), _reach(inside[-3:].T)
    left, right = _reach(inside[:, :3]), _reach(inside[:, -3:])
    return (
        (x1 + top[0], y1),
        (x1 + top[1], y1),
        (x2 - 1, y1 + right[0]),
        (x2 - 1, y1 + right[1]),
        (x1 + bottom[1], y2 - 1),
        (x1 + bottom[0], y2 - 1),
        (x1, y1 + left[1]),
        (x1, y1 + left[0]),
    )


def _reach(lines: Mask) -> tuple[int, int]:
    """First and last place that has content in one of a few lines, (L, lines)."""
    places = np.flatnonzero(lines.any(axis=1))
    assert len(places), "the box has content on every side"
    return int(places[0]), int(places[-1])


def _loss(filled: Mask, other: Mask) -> float:
    """Share of the union in which two areas differ."""
    return float((filled ^ other).sum() / max((filled | other).sum(), 1))


def _rectangle(shape: tuple[int, ...], box: Box) -> Mask:
    inside = np.zeros(shape, dtype=np.bool_)
    inside[box[1] : box[3], box[0] : box[2]] = True
    return inside


def _polygon(shape: tuple[int, ...], corners: NDArray[Any]) -> Mask:
    drawn = np.zeros(shape, dtype=np.uint8)
    cv2.fillConvexPoly(drawn, corners.astype(np.int32).reshape(-1, 1, 2), 1)
    return drawn.view(np.bool_)


def _disc(shape: tuple[int, int], centre_xy: tuple[float, float], radius_px: float) -> Mask:
    y, x = np.ogrid[: shape[0], : shape[1]]
    disc: Mask = (x + 0.5 - centre_xy[0]) ** 2 + (y + 0.5 - centre_xy[1]) ** 2 <= radius_px**2
    return disc
