import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from endofm.data.masks import read_mask
from endofm.errors import DataError, VideoError
from tests.data.segmented_folders import write_picture

VALUES = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)
LESION = np.array([[0, 0, 0], [1, 1, 1]], bool)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_half_of_255_and_more_is_lesion(tmp_path: Path, suffix: str) -> None:
    mask = read_mask(write_picture(tmp_path / f"a{suffix}", VALUES))
    assert mask.dtype == np.bool_
    assert mask.tolist() == LESION.tolist()


def test_threshold(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", VALUES)
    assert read_mask(path, threshold=255).tolist() == (VALUES == 255).tolist()
    assert read_mask(path, threshold=1).tolist() == (VALUES > 0).tolist()


def test_a_jpeg_is_smooth_at_its_edges(tmp_path: Path) -> None:
    lesion = np.zeros((32, 48), bool)
    lesion[5:21, 11:30] = True
    path = write_picture(tmp_path / "a.jpg", lesion.astype(np.uint8) * 255)
    assert read_mask(path).tolist() == lesion.tolist()
    assert read_mask(path, threshold=255).sum() < lesion.sum()


def test_high_byte_of_16_bits_counts(tmp_path: Path) -> None:
    wide = VALUES.astype(np.uint16) * 256 + 255
    assert read_mask(write_picture(tmp_path / "a.png", wide)).tolist() == LESION.tolist()
    assert read_mask(write_picture(tmp_path / "a.tiff", wide)).tolist() == LESION.tolist()


def test_three_equal_channels_and_alpha(tmp_path: Path) -> None:
    three = np.repeat(VALUES[..., None], 3, axis=2)
    assert read_mask(write_picture(tmp_path / "a.png", three)).tolist() == LESION.tolist()
    four = np.dstack([three, np.full((2, 3), 9, np.uint8)])
    assert read_mask(write_picture(tmp_path / "b.png", four)).tolist() == LESION.tolist()


def test_three_samples_tagged_as_grey(tmp_path: Path) -> None:
    three = np.repeat(VALUES[..., None], 3, axis=2)
    tifffile.imwrite(tmp_path / "a.tif", three, photometric="minisblack", planarconfig="contig")
    assert read_mask(tmp_path / "a.tif").tolist() == LESION.tolist()


def test_grey_palette(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)  # 2 x 1 px of indices of 8 bits
    parts = {
        b"IHDR": header,
        b"PLTE": bytes((255, 255, 255, 0, 0, 0)),
        b"IDAT": zlib.compress(b"\0\0\1"),
        b"IEND": b"",
    }
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts.items())
    (tmp_path / "a.png").write_bytes(data)
    assert read_mask(tmp_path / "a.png").tolist() == [[True, False]]


def test_labels_of_0_and_1(tmp_path: Path) -> None:
    labels = LESION.astype(np.uint8)
    path = write_picture(tmp_path / "a.png", labels)
    assert read_mask(path).tolist() == LESION.tolist()
    assert read_mask(path, threshold=255).tolist() == LESION.tolist()
    labels[0, 0] = 2  # not labels of two kinds: by the threshold
    assert not read_mask(write_picture(tmp_path / "b.png", labels)).any()


def test_an_empty_mask_is_empty(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    assert not read_mask(path).any()
    assert read_mask(path).shape == (4, 5)


def test_colours_are_refused(tmp_path: Path) -> None:
    red = np.zeros((4, 5, 3), np.uint8)
    red[1, 2] = (0, 0, 255)
    path = write_picture(tmp_path / "a.png", red)
    with pytest.raises(DataError) as caught:
        read_mask(path)
    assert str(caught.value) == (
        f"{path}: has colours, so what is lesion cannot be told; "
        "save the mask in grey, 255 where there is a lesion and 0 elsewhere"
    )


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(VideoError, match="is not a picture"):
        read_mask(tmp_path / "a.png")
