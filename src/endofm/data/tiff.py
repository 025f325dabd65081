"""One TIFF file as 8-bit RGB, those included that OpenCV and Pillow misread or refuse."""

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, PLANARCONFIG, TiffPage

from endofm.data.video_info import check_size
from endofm.errors import VideoError

# It writes to stderr about a broken file, which is raised here.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_GREY = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)


def read_tiff(path: Path) -> NDArray[np.uint8]:
    """One TIFF file, (H, W, 3) uint8 RGB, by the rules of `read_image`.

    Three samples are taken for RGB also where they are tagged as grey, as those of CVC-ClinicDB.

    Raises:
        VideoError: The file is damaged, absurdly large, holds several pictures, or is of a kind
            that is not understood.
    """
    try:
        with tifffile.TiffFile(path) as file:
            if len(file.pages) > 1:
                raise VideoError(
                    f"{path} holds {len(file.pages)} pictures", hint="write one file a frame"
                )
            page = file.pages.first
            assert isinstance(page, TiffPage), "the first page is always read in full"
            check_size(path, height=page.imagelength, width=page.imagewidth)
            return np.ascontiguousarray(_rgb(path, page))
    except VideoError:
        raise
    except Exception as error:  # tifffile raises whatever it stumbles over
        raise VideoError(
            f"{path} is not a TIFF file, or is damaged or cut short",
            hint="copy it again from its source, or leave it out",
        ) from error


def _rgb(path: Path, page: TiffPage) -> NDArray[np.uint8]:
    try:
        samples = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):  # the package that has most decompressors
            raise
        return _decompress_with_opencv(path, page)
    if page.planarconfig == PLANARCONFIG.SEPARATE and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)  # (H, W, S)
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        samples = np.moveaxis(page.colormap[:, samples], 0, -1)  # (H, W, 3) of 16 bits
    elif page.photometric not in (*_GREY, PHOTOMETRIC.RGB) or page.bitspersample not in (1, 8, 16):
        raise _not_understood(path, page)
    samples = samples.reshape(page.imagelength, page.imagewidth, -1)  # (H, W, S)
    samples = samples[..., [0, 1, 2] if samples.shape[-1] > 2 else [0, 0, 0]]  # (H, W, 3)
    picture = _high_byte(path, page, samples)
    return ~picture if page.photometric == PHOTOMETRIC.MINISWHITE else picture


def _high_byte(path: Path, page: TiffPage, samples: NDArray[Any]) -> NDArray[np.uint8]:
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    if samples.dtype == np.uint16:
        return (samples >> 8).astype(np.uint8)
    if samples.dtype == np.uint8:
        return samples
    raise _not_understood(path, page)


def _decompress_with_opencv(path: Path, page: TiffPage) -> NDArray[np.uint8]:
    """For kinds of compression that tifffile alone lacks, of which LZW is common."""
    bgr = None
    if page.photometric not in _GREY or page.samplesperpixel == 1:  # OpenCV misreads the others
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if bgr is None:
        raise VideoError(
            f"{path} is compressed in a way that needs another package",
            hint="pip install imagecodecs, or convert it to PNG",
        )
    return _high_byte(path, page, bgr[..., ::-1])  # (H, W, 3)


def _not_understood(path: Path, page: TiffPage) -> VideoError:
    kind = f"{PHOTOMETRIC(page.photometric).name} of {page.bitspersample} bits"
    return VideoError(
        f"{path} holds {kind}, which is not understood", hint="convert it to 8-bit PNG"
    )
