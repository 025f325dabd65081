"""How usable a frame of endoscopy is: dark, burnt out, blurred, frozen, or not from inside a body.

Frames are judged small and by ratios, so that the numbers of different videos can be compared.
The colour rule is made to keep what may be tissue: under white light, narrow-band light or dye,
in a capsule's or a laparoscope's picture.

Axes: H and W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FINE_PX, COARSE_PX = 128, 64
"""Short side of the pictures that detail is measured on, and everything else on the smaller."""
NEAR_BLACK = 0.1
"""Largest of red, green and blue below which a pixel is near black; borders are up to 0.09."""
OVER_EXPOSED = 0.95
"""Luma from which a pixel has lost its colour."""
COLOURLESS = 0.08
"""Saturation below which a pixel is grey."""
STRONG, VIVID = 0.35, 0.85
"""Saturations: of drapes, which tissue in green light does not reach, and of drawn colours."""
ROUNDING, NOISE_FLOOR = 4.0, 16.0
"""Taken from the fine and added to the coarse detail, in grey levels squared: the Laplacian of
rounded luma has up to the first, and noise on a flat wall must not be sharp."""

Plane = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class FrameMeasures:
    """What is measured of one frame; all finite, but ``change`` of the first frame."""

    brightness: float
    """Mean luma of the content, 0..1; the black border does not count."""
    dark: float
    """Share of all pixels that are near black, 0..1."""
    burnt: float
    """Share of the content that is over-exposed, 0..1."""
    sharpness: float
    """Fine detail over coarser detail of the content, 0 or more; unmoved by gain and contrast."""
    redness: float
    """Mean of (red - blue) / largest over the lit content, -1..1: warm colours are above 0."""
    tissue: float
    """Share of the lit content that is neither grey nor strongly green, cyan or blue, 0..1."""
    vivid: float
    """Share of the lit content in drawn colours, vivid green, cyan, blue and magenta, 0..1."""
    change: float
    """Mean absolute difference of luma to the frame before, 0..1; ``nan`` without one."""


@dataclass(frozen=True)
class Limits:
    """From where on a measure is a fault (the frame is dropped) or a flag (it is reported)."""

    black_dark: float = 0.99
    """Fault: a frame with this share of dark pixels is black."""
    outside_tissue: float = 0.02
    """Fault: with this share of tissue colours or less the frame is out of the body."""
    outside_vivid: float = 0.3
    """Fault: with this share of drawn colours it is a test picture or a menu."""
    frozen_change: float = 0.0005
    """Flag: a frame that changes no more than this repeats the one before."""
    over_exposed_burnt: float = 0.25
    """Flag: this share of the content is burnt out."""
    under_exposed_brightness: float = 0.12
    """Flag: the content's mean luma is no higher."""
    blurred_sharpness: float = 0.16
    """Flag: there is no more fine detail than this."""


@dataclass(frozen=True)
class ClipQuality:
    """A clip's frames in numbers: means of their measures, and shares 0..1 with a fault or flag."""

    brightness: float
    dark: float
    burnt: float
    sharpness: float
    redness: float
    tissue: float
    vivid: float
    change: float
    """Mean over all frames but the first; 0 of a single frame."""
    black_share: float
    out_of_body_share: float
    frozen_share: float
    over_exposed_share: float
    under_exposed_share: float
    blurred_share: float

    def as_dict(self) -> dict[str, float]:
        """The fields, to five decimals, for a table or JSON."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


MEASURES = tuple(FrameMeasures.__dataclass_fields__)
FAULTS = ("black", "out_of_body")
FLAGS = ("frozen", "over_exposed", "under_exposed", "blurred")


class FrameMeter:
    """Measures the frames of one video in order; it remembers the frame before."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def __call__(self, luma: Plane, blue_chroma: Plane, red_chroma: Plane) -> FrameMeasures:
        """Measure the next frame.

        Args:
            luma: (H, W) uint8, 16..235 (limited range).
            blue_chroma: (H/2, W/2) uint8, 16..240, of BT.709.
            red_chroma: The same.
        """
        fine = _scaled(luma, _size_wh(luma, FINE_PX))
        size_wh = _size_wh(luma, COARSE_PX)
        coarse = _scaled(fine, size_wh)
        blue, green, red, brightest, grey = _colours(
            coarse, _scaled(blue_chroma, size_wh), _scaled(red_chroma, size_wh)
        )
        near_black = brightest < NEAR_BLACK
        content = _content(~near_black)
        lit = content & ~near_black
        num_content, num_lit = max(int(content.sum()), 1), max(int(lit.sum()), 1)
        spread = brightest - np.minimum(np.minimum(blue, green), red)
        # Red is not above blue by a tenth: green, cyan and blue; yellow-green is not.
        cold = lit & (red - blue < 0.1 * brightest)
        colourless = lit & (spread < COLOURLESS * brightest)
        foreign = cold & (spread > STRONG * brightest)
        strange = (red < 0.5 * brightest) | (blue > 0.5 * brightest)
        vivid = lit & (spread > VIVID * brightest) & (brightest > 0.4) & strange
        return FrameMeasures(
            brightness=float(grey[content].sum()) / num_content,
            dark=float(near_black.mean()),
            burnt=int((content & (grey > OVER_EXPOSED)).sum()) / num_content,
            sharpness=_sharpness(fine, coarse, content),
            redness=float(((red - blue)[lit] / brightest[lit]).sum()) / num_lit,
            tissue=int((lit & ~colourless & ~foreign).sum()) / num_lit,
            vivid=int(vivid.sum()) / num_lit,
            change=self._change(coarse, content),
        )

    def _change(self, small: Plane, content: Mask) -> float:
        before, self._before = self._before, small
        if before is None or before.shape != small.shape:
            return math.nan
        difference = cv2.absdiff(small, before)
        moved = difference[content] if content.any() else difference
        return float(moved.mean()) / 219


def fault(measures: FrameMeasures, limits: Limits) -> str:
    """Why a frame is to be dropped: ``black`` or ``out_of_body``; empty for a usable frame."""
    if measures.dark >= limits.black_dark:
        return "black"
    if measures.tissue <= limits.outside_tissue or measures.vivid >= limits.outside_vivid:
        return "out_of_body"
    return ""


def flags(measures: FrameMeasures, limits: Limits) -> frozenset[str]:
    """What is to be reported of a frame, of ``FLAGS``; black frames are not blamed for the rest."""
    if fault(measures, limits) == "black":
        return frozenset({"frozen"} & _flags(measures, limits))
    return _flags(measures, limits)


def _flags(measures: FrameMeasures, limits: Limits) -> frozenset[str]:
    found = {
        "frozen": measures.change <= limits.frozen_change,  # nan is not
        "over_exposed": measures.burnt >= limits.over_exposed_burnt,
        "under_exposed": measures.brightness <= limits.under_exposed_brightness,
        "blurred": measures.sharpness <= limits.blurred_sharpness,
    }
    return frozenset(name for name, is_so in found.items() if is_so)


def summarise(frames: Sequence[FrameMeasures], limits: Limits) -> ClipQuality:
    """The quality of a clip from its frames.

    Raises:
        ValueError: There are none.
    """
    if not frames:
        raise ValueError("a clip without frames has no quality")
    found = [{fault(frame, limits), *flags(frame, limits)} for frame in frames]
    changes = [frame.change for frame in frames if math.isfinite(frame.change)]
    means = {name: _mean([getattr(frame, name) for frame in frames]) for name in MEASURES}
    shares = {f"{name}_share": _mean([name in one for one in found]) for name in (*FAULTS, *FLAGS)}
    return ClipQuality(**{**means, "change": _mean(changes), **shares})


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _size_wh(plane: Plane, short_side_px: int) -> tuple[int, int]:
    """Size of a plane scaled to a short side; a long strip is not stretched to absurdity."""
    height, width = plane.shape
    scale = short_side_px / min(height, width)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _scaled(plane: Plane, size_wh: tuple[int, int]) -> Plane:
    is_smaller = size_wh[0] <= plane.shape[1]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return cv2.resize(plane, size_wh, interpolation=how).astype(np.uint8, copy=False)


def _colours(luma: Plane, blue_chroma: Plane, red_chroma: Plane) -> tuple[Floats, ...]:
    """Blue, green, red, the largest of them, and grey, each (h, w) and black 0 to white 1."""
    grey = (luma.astype(np.float32) - 16) * np.float32(1 / 219)
    u = (blue_chroma.astype(np.float32) - 128) * np.float32(1 / 224)
    v = (red_chroma.astype(np.float32) - 128) * np.float32(1 / 224)
    blue = np.maximum(grey + np.float32(1.8556) * u, 0)
    red = np.maximum(grey + np.float32(1.5748) * v, 0)
    green = np.maximum(grey - np.float32(0.18732) * u - np.float32(0.46812) * v, 0)
    np.maximum(grey, 0, out=grey)
    return blue, green, red, np.maximum(np.maximum(blue, green), red), grey


_SPECK = np.ones((3, 3), np.uint8)


def _content(lit: Mask) -> Mask:
    """Lit pixels and the dark ones between them, without specks and thin writing in the border.

    What lies between lit pixels both of its row and of its column is content: a dark lumen is, the
    corners around a circle are not.
    """
    solid = cv2.morphologyEx(lit.view(np.uint8), cv2.MORPH_OPEN, _SPECK)
    across = _reached(solid, axis=1) & _reached(solid[:, ::-1], axis=1)[:, ::-1]
    down = _reached(solid, axis=0) & _reached(solid[::-1], axis=0)[::-1]
    return across & down


def _reached(bits: NDArray[Any], *, axis: int) -> Mask:
    return np.maximum.accumulate(bits, axis=axis).view(np.bool_)


def _sharpness(fine: Plane, coarse: Plane, content: Mask) -> float:
    """Energy of the Laplacian on the fine grid over that on the coarse grid, inside the content.

    A scene has both in step, whatever its contrast; blur takes the fine detail first.
    """
    inner = cv2.erode(content.view(np.uint8), _SPECK, iterations=2)
    if not inner.any():
        return 0.0
    inner_fine = cv2.resize(inner, (fine.shape[1], fine.shape[0]), interpolation=cv2.INTER_NEAREST)
    detail = max(_detail(fine, inner_fine) - ROUNDING, 0)
    return detail / (_detail(coarse, inner) + NOISE_FLOOR)


def _detail(luma: Plane, inner: NDArray[Any]) -> float:
    mean, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S), mask=inner)
    return float(mean[0, 0]) ** 2 + float(deviation[0, 0]) ** 2
