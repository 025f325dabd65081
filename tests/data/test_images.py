import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from endofm.data.images import read_image
from endofm.errors import VideoError

RGB = (200, 100, 50)


def solid(*values: int, dtype: type = np.uint8) -> NDArray[Any]:
    """A picture of 6 x 8 px with one value a sample; in OpenCV's order."""
    return np.full((6, 8, len(values)), values, dtype=dtype)


def assert_colour(path: Path, rgb: tuple[int, int, int], *, tolerance: int = 0) -> None:
    picture = read_image(path)
    assert picture.dtype == np.uint8
    assert picture.shape == (6, 8, 3)
    assert picture.flags.c_contiguous
    assert picture.flags.writeable
    assert np.abs(picture.astype(int) - rgb).max() <= tolerance


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".bmp", 0), (".jpg", 2)])
def test_colours(tmp_path: Path, suffix: str, tolerance: int) -> None:
    cv2.imwrite(str(tmp_path / f"a{suffix}"), solid(*RGB[::-1]))
    assert_colour(tmp_path / f"a{suffix}", RGB, tolerance=tolerance)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg"])
def test_grey_is_repeated(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"a{suffix}"), solid(77))
    assert_colour(tmp_path / f"a{suffix}", (77, 77, 77))


def test_alpha_is_left_out(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), solid(*RGB[::-1], 3))
    assert_colour(tmp_path / "a.png", RGB)


def test_high_byte_of_16_bits_is_kept(tmp_path: Path) -> None:
    high_and_low = [value * 256 + 255 for value in RGB[::-1]]
    cv2.imwrite(str(tmp_path / "a.png"), solid(*high_and_low, dtype=np.uint16))
    assert_colour(tmp_path / "a.png", RGB)
    cv2.imwrite(str(tmp_path / "b.png"), solid(77 * 256 + 255, dtype=np.uint16))
    assert_colour(tmp_path / "b.png", (77, 77, 77))


def png(width: int, height: int, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        parts.append(struct.pack(">I", len(data)) + name + data)
        parts.append(struct.pack(">I", zlib.crc32(name + data)))
    return b"".join(parts)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    rows = zlib.compress((b"\0" + b"\1" * 8) * 6)
    palette = bytes((1, 2, 3, *RGB))
    (tmp_path / "a.png").write_bytes(png(8, 6, 3, (b"PLTE", palette), (b"IDAT", rows)))
    assert_colour(tmp_path / "a.png", RGB)


def test_jpeg_is_turned_as_its_exif_tag_says(tmp_path: Path) -> None:
    picture = np.zeros((16, 32, 3), dtype=np.uint8)
    picture[:, :16] = 255  # the left half
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    quarter_turn = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + quarter_turn
    tag = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(data[:2] + tag + data[2:])
    turned = read_image(tmp_path / "a.jpg")
    assert turned.shape == (32, 16, 3)
    assert turned[:14].min() > 250  # clockwise: the left side is now above
    assert turned[18:].max() < 5


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_picture_that_is_cut_short(
    tmp_path: Path, suffix: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, noise)[1].tobytes()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match=r"is not a picture, or is damaged or cut short; copy it"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    with pytest.raises(VideoError, match=r"text\.png is not a picture"):
        read_image(tmp_path / "text.png")
    with pytest.raises(VideoError, match=r"empty\.png is empty \(0 bytes\); copy it again"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(VideoError, match=r"missing\.png cannot be read: No such file"):
        read_image(tmp_path / "missing.png")


def test_absurd_size_is_refused_before_decoding(tmp_path: Path) -> None:
    rows = zlib.compress(bytes(60_000))
    (tmp_path / "a.png").write_bytes(png(50_000, 40_000, 2, (b"IDAT", rows)))
    jpeg = bytearray(cv2.imencode(".jpg", solid(*RGB))[1].tobytes())
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 40_000, 50_000)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    bmp = bytearray(cv2.imencode(".bmp", solid(*RGB))[1].tobytes())
    bmp[18:26] = struct.pack("<ii", 50_000, -40_000)
    (tmp_path / "a.bmp").write_bytes(bmp)
    for name in ("a.png", "a.jpg", "a.bmp"):
        with pytest.raises(VideoError, match=f"{name} claims frames of 50000 x 40000 px"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("garbage", [b"\xff\xd8", b"\xff\xd8\xff\xe0\0\0" * 9, b"BM", b"\x89PNG"])
def test_headers_that_end_early(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "a").write_bytes(garbage)
    with pytest.raises(VideoError, match="is not a picture"):
        read_image(tmp_path / "a")
