from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from endofm.data.images import read_image
from endofm.errors import VideoError

RGB = (200, 100, 50)
PICTURE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = PICTURE[..., 0]


def written(folder: Path, samples: NDArray[Any], **options: Any) -> Path:
    path = folder / "a.tif"
    tifffile.imwrite(path, samples, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
def test_colours(tmp_path: Path, options: dict[str, str]) -> None:
    path = written(tmp_path, PICTURE, photometric="rgb", **options)
    picture = read_image(path)
    np.testing.assert_array_equal(picture, PICTURE)
    assert picture.flags.c_contiguous


def test_three_samples_tagged_as_grey_are_colours(tmp_path: Path) -> None:
    path = written(
        tmp_path, PICTURE, photometric="minisblack", planarconfig="contig", extrasamples=[0, 0]
    )
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_planes_are_joined(tmp_path: Path) -> None:
    path = written(
        tmp_path, np.moveaxis(PICTURE, -1, 0), photometric="rgb", planarconfig="separate"
    )
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_alpha_is_left_out(tmp_path: Path) -> None:
    rgba = np.dstack([PICTURE, GREY])
    path = written(tmp_path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_grey_is_repeated(tmp_path: Path) -> None:
    grey = np.dstack([GREY, GREY, GREY])
    np.testing.assert_array_equal(read_image(written(tmp_path, GREY)), grey)
    path = written(tmp_path, GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path), 255 - grey)


def test_black_and_white(tmp_path: Path) -> None:
    bits = GREY > 128
    path = written(tmp_path, bits, photometric="minisblack")
    np.testing.assert_array_equal(read_image(path)[..., 1], np.where(bits, 255, 0))


def test_high_byte_of_16_bits_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, PICTURE.astype(np.uint16) * 256 + 255, photometric="rgb")
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    colours = np.zeros((3, 256), dtype=np.uint16)
    colours[:, 7] = np.array(RGB) * 257
    path = written(
        tmp_path, np.full((6, 8), 7, dtype=np.uint8), photometric="palette", colormap=colours
    )
    np.testing.assert_array_equal(read_image(path), np.full((6, 8, 3), RGB))


def test_kinds_that_are_not_understood(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"MINISBLACK of 32 bits, which is not understood; c"):
        read_image(written(tmp_path, GREY.astype(np.float32)))
    path = written(tmp_path, np.stack([GREY, GREY]), photometric="minisblack")
    with pytest.raises(VideoError, match=r"a\.tif holds 2 pictures; write one file a frame"):
        read_image(path)
    with pytest.raises(VideoError, match="claims frames of 20000 x 2 px"):
        read_image(written(tmp_path, np.zeros((2, 20_000), dtype=np.uint8)))


COMPRESSED: dict[str, NDArray[Any]] = {
    "colours": PICTURE,
    "colours of 16 bits": PICTURE.astype(np.uint16) * 256 + 255,
    "grey": GREY,
    "grey of 16 bits": GREY.astype(np.uint16) * 256 + 255,
}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_lzw_needs_no_other_package(tmp_path: Path, kind: str) -> None:
    samples = COMPRESSED[kind]
    in_order_of_opencv = samples[..., ::-1] if samples.ndim == 3 else samples
    cv2.imwrite(str(tmp_path / "a.tif"), in_order_of_opencv)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.compression == tifffile.COMPRESSION.LZW
    expected = PICTURE if samples.ndim == 3 else np.dstack([GREY, GREY, GREY])
    picture = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture, expected)
    assert picture.flags.c_contiguous


def test_missing_decompressor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(page: tifffile.TiffPage) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    path = written(
        tmp_path, PICTURE, photometric="minisblack", planarconfig="contig", extrasamples=[0, 0]
    )
    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)
    with pytest.raises(VideoError, match="needs another package; pip install imagecodecs"):
        read_image(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_file_that_is_cut_short(
    tmp_path: Path, share: float, byte_order: str, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    path = written(tmp_path, noise, photometric="rgb", byteorder=byte_order)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match="is not a TIFF file, or is damaged or cut short; copy"):
        read_image(path)
    assert not caplog.records


def test_directory_that_is_cut_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), PICTURE)  # OpenCV writes the directory of tags behind the pixels
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(VideoError, match="is not a TIFF file, or is damaged or cut short; copy"):
        read_image(path)
    assert not caplog.records
