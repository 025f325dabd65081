"""Pictures drawn for tests of frame quality: tissue in several lights, and what is not tissue."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Size = tuple[int, int]

SIZE_HW = (256, 456)


def planes(rgb: NDArray[np.uint8]) -> tuple[Picture, Picture, Picture]:
    """RGB as yuv420p planes, BT.709 in limited range, by the definition."""
    height, width = (side // 2 * 2 for side in rgb.shape[:2])
    r, g, b = np.moveaxis(rgb[:height, :width].astype(np.float64) / 255, -1, 0)
    grey = 0.2126 * r + 0.7152 * g + 0.0722 * b
    chroma = [(b - grey) / 1.8556, (r - grey) / 1.5748]
    halves = [c.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) for c in chroma]
    u, v = (np.round(128 + 224 * half).astype(np.uint8) for half in halves)
    return np.round(16 + 219 * grey).astype(np.uint8), u, v


def texture(rng: np.random.Generator, size_hw: Size = SIZE_HW) -> NDArray[np.float64]:
    """Detail at every scale, about as in pictures of nature, with mean 0 and deviation 1."""
    height, width = size_hw
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    reach = np.hypot(down, across)
    reach[0, 0] = np.inf
    noise = rng.normal(size=(height, width // 2 + 1)) + 1j * rng.normal(
        size=(height, width // 2 + 1)
    )
    drawn = np.fft.irfft2(noise / reach**1.5, s=(height, width))
    return (drawn - drawn.mean()) / drawn.std()


def jpeg(grey: Picture, *, quality: int) -> Picture:
    """A grey picture after lossy compression."""
    _, packed = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    assert back is not None
    return back.astype(np.uint8)


def coloured(
    shade: NDArray[np.float64], colour: tuple[int, int, int], *, contrast: float = 0.25
) -> Picture:
    """A colour in light and shade."""
    light = np.clip(1 + contrast * shade, 0.15, 2)[..., None]
    return np.clip(light * np.array(colour), 0, 255).round().astype(np.uint8)


def circled(rgb: Picture, radius_share: float = 0.45) -> Picture:
    """Black outside a circle."""
    height, width = rgb.shape[:2]
    y, x = np.ogrid[:height, :width]
    inside = np.hypot(y - height / 2, x - width / 2) < radius_share * height
    return rgb * inside[..., None].astype(np.uint8)


def dyed(rng: np.random.Generator) -> Picture:
    """Indigo blue pools on pale mucosa."""
    dye = (texture(rng) > -0.5)[..., None]
    return np.where(
        dye, coloured(texture(rng), (40, 60, 150)), coloured(texture(rng), (190, 130, 120))
    )


def lens_white_with_rim(rng: np.random.Generator) -> Picture:
    """Burnt out but for a rim of tissue."""
    picture = coloured(texture(rng), (180, 90, 70))
    picture[10:-10, 10:-10] = 255
    return picture


INSIDE: dict[str, Callable[[np.random.Generator], Picture]] = {
    "white light": lambda rng: coloured(texture(rng), (190, 110, 80)),
    "pale mucosa": lambda rng: coloured(texture(rng), (200, 178, 160)),
    "narrow band, brown": lambda rng: coloured(texture(rng), (120, 105, 80)),
    "narrow band, teal": lambda rng: coloured(texture(rng), (85, 120, 105)),
    "capsule": lambda rng: coloured(texture(rng), (150, 170, 40)),
    "laparoscopy": lambda rng: circled(coloured(texture(rng), (120, 40, 45))),
    "fat": lambda rng: coloured(texture(rng), (230, 190, 90)),
    "dim and distant": lambda rng: circled(coloured(texture(rng), (60, 34, 26))),
    "dye": dyed,
    "burnt out but for the rim": lens_white_with_rim,
}


def colour_bars(rng: np.random.Generator, level: int = 191) -> Picture:
    bars = ["111", "110", "011", "010", "101", "100", "001"]
    row = np.array([[level * int(bit) for bit in bar] for bar in bars], dtype=np.uint8)
    columns = np.arange(SIZE_HW[1]) * 7 // SIZE_HW[1]
    return np.broadcast_to(row[columns], (*SIZE_HW, 3)).copy()


def room(rng: np.random.Generator) -> Picture:
    """Grey walls, white lamps, green drapes in a corner."""
    picture = coloured(texture(rng), (150, 152, 156), contrast=0.4)
    cv2.circle(picture, (320, 60), 40, (255, 255, 255), -1)
    picture[150:, :200] = coloured(texture(rng), (10, 110, 90))[150:, :200]
    return picture


def blue_menu(rng: np.random.Generator) -> Picture:
    picture = np.full((*SIZE_HW, 3), (0, 0, 200), dtype=np.uint8)
    for row, line in enumerate(["PATIENT DATA", "NAME: DOE JANE", "ID: 4711"]):
        cv2.putText(picture, line, (40, 60 + 50 * row), 0, 0.8, (255, 255, 255), 2)
    return picture


def message_on_black(rng: np.random.Generator) -> Picture:
    """A message box of a recorder on a black screen."""
    picture = np.zeros((*SIZE_HW, 3), dtype=np.uint8)
    picture[4:20, 360:450] = 180
    return picture


OUTSIDE: dict[str, Callable[[np.random.Generator], Picture]] = {
    "room": room,
    "white wall": lambda rng: np.full((*SIZE_HW, 3), 255, dtype=np.uint8),
    "grey wall": lambda rng: coloured(texture(rng), (120, 122, 121)),
    "blue drapes": lambda rng: coloured(texture(rng), (40, 90, 160)),
    "green drapes": lambda rng: coloured(texture(rng), (10, 120, 80)),
    "teal drapes": lambda rng: coloured(texture(rng), (0, 110, 110)),
    "colour bars": colour_bars,
    "bright colour bars": lambda rng: colour_bars(rng, 255),
    "blue menu": blue_menu,
    "message on black": message_on_black,
}
