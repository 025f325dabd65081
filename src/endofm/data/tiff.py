"""One TIFF file as 8-bit RGB, those included that OpenCV and Pillow misread or refuse."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, PLANARCONFIG, TiffPage

from endofm.data.video_info import check_size
from endofm.errors import VideoError

# It writes to stderr about a broken file, which is raised here.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


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
            return _rgb(path, page, page.asarray())
    except VideoError:
        raise
    except Exception as error:  # tifffile raises whatever it stumbles over
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> VideoError:
    if "imagecodecs" in str(error):
        return VideoError(
            f"{path} is compressed in a way that needs another package",
            hint="pip install imagecodecs, or convert it to PNG",
        )
    return VideoError(
        f"{path} is not a TIFF file, or is damaged or cut short",
        hint="copy it again from its source, or leave it out",
    )


def _rgb(path: Path, page: TiffPage, samples: NDArray[Any]) -> NDArray[np.uint8]:
    if page.planarconfig == PLANARCONFIG.SEPARATE and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)  # (H, W, S)
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        colours = (page.colormap >> 8).astype(np.uint8)  # (3, colours)
        return np.ascontiguousarray(np.moveaxis(colours[:, samples], 0, -1))  # (H, W, 3)
    is_known = page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.RGB)
    if not is_known or page.bitspersample not in (1, 8, 16) or samples.dtype.kind not in "bu":
        kind = (
            f"{PHOTOMETRIC(page.photometric).name} with {page.bitspersample} bits ({samples.dtype})"
        )
        raise VideoError(
            f"{path} holds {kind}, which is not understood", hint="convert it to 8-bit PNG"
        )
    samples = samples.reshape(page.imagelength, page.imagewidth, -1)  # (H, W, S)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        samples = ~samples
    colours = samples[..., [0, 1, 2] if samples.shape[-1] > 2 else [0, 0, 0]]  # (H, W, 3)
    if page.bitspersample == 16:
        return (colours >> 8).astype(np.uint8)
    return colours.astype(np.uint8) * (255 if page.bitspersample == 1 else 1)
