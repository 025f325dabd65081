"""How large frames are, without decoding them."""

from __future__ import annotations

from pathlib import Path

import tifffile
from PIL import Image

from endofm.data.boxed_found import FoundFrame
from endofm.data.video import open_video
from endofm.data.video_info import VideoInfo, check_indices, check_size
from endofm.errors import VideoError

_KINDS = ("BMP", "JPEG", "PNG")
_ORIENTATION = 0x0112
_ON_ITS_SIDE = range(5, 9)
"""EXIF orientations that ``read_image`` turns by a quarter."""


class FrameSizes:
    """Sizes of pictures by their headers, and of videos, each of which is opened once."""

    def __init__(self) -> None:
        self._videos: dict[Path, VideoInfo | VideoError] = {}

    def size_hw(self, frame: FoundFrame) -> tuple[int, int]:
        """Height and width in px, as displayed.

        Raises:
            VideoError: The file is missing, empty, absurdly large or not understood, or a video
                has no such frame.
        """
        if not frame.path.is_file():
            raise VideoError(f"{frame.path}: is missing")
        if frame.index is None:
            return _picture_size_hw(frame.path)
        info = self.video(frame.path)
        check_indices(info, [frame.index])
        return info.height, info.width

    def video(self, path: Path) -> VideoInfo:
        """What a video is.

        Raises:
            VideoError: It cannot be read.
        """
        if path not in self._videos:
            try:
                with open_video(path) as reader:
                    self._videos[path] = reader.info
            except VideoError as error:
                self._videos[path] = error
        found = self._videos[path]
        if isinstance(found, VideoError):
            raise found
        return found


def _picture_size_hw(path: Path) -> tuple[int, int]:
    try:
        with path.open("rb") as file:
            is_tiff = file.read(2) in (b"II", b"MM")
        width, height = _tiff_size(path) if is_tiff else _other_size(path)
    except VideoError:
        raise
    except Exception as error:  # both packages raise whatever they stumble over
        raise VideoError(
            f"{path} is not a picture, or is damaged or cut short",
            hint="copy it again from its source, or leave it out",
        ) from error
    check_size(path, height=height, width=width)
    return height, width


def _tiff_size(path: Path) -> tuple[int, int]:
    """Pillow refuses the kind that CVC-ClinicDB has."""
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert isinstance(page, tifffile.TiffPage), "the first page is always read in full"
        return page.imagewidth, page.imagelength


def _other_size(path: Path) -> tuple[int, int]:
    with Image.open(path, formats=_KINDS) as picture:
        width, height = picture.size
        # Only a JPEG is turned; of a PNG Pillow would decode all to find the tag.
        turned = picture.format != "PNG" and picture.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
    return (height, width) if turned else (width, height)
