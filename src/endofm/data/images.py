"""One picture file as 8-bit RGB."""

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from endofm.data.tiff import read_tiff
from endofm.data.video_info import check_size
from endofm.errors import VideoError

# It writes to stderr about a broken file, which is raised here.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# A JPEG segment with one of these markers begins with the size of the frame.
_JPEG_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def read_image(path: Path) -> NDArray[np.uint8]:
    """One PNG, JPEG, BMP or TIFF file, (H, W, 3) uint8 RGB.

    Of 16-bit values the high byte is kept, grey is repeated in all three colours, a palette is
    looked up, alpha is left out without blending, and a JPEG is turned as its EXIF tag says.

    Raises:
        VideoError: The file cannot be read, is empty, damaged or absurdly large, or is of a kind
            that is not understood.
    """
    try:
        if not path.is_file() and path.exists():  # a pipe would be waited for
            raise VideoError(f"{path} is not a regular file", hint="name a picture file")
        data = path.read_bytes()
    except OSError as error:
        raise VideoError(
            f"{path} cannot be read: {error.strerror}", hint="check its name and permissions"
        ) from error
    if not data:
        raise VideoError(f"{path} is empty (0 bytes)", hint="copy it again from its source")
    if data.startswith((b"II", b"MM")):
        return read_tiff(path)
    height, width = _claimed_size_hw(data)
    check_size(path, height=height, width=width)
    bgr = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise VideoError(
            f"{path} is not a picture, or is damaged or cut short",
            hint="copy it again from its source, or leave it out",
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)  # (H, W, 3)


def _claimed_size_hw(data: bytes) -> tuple[int, int]:
    """Height and width that the header of a PNG, BMP or JPEG claims; zeros if there is none."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    if data.startswith(b"BM") and len(data) >= 26:
        width, height = struct.unpack_from("<ii", data, 18)
        return abs(height), width  # negative where the rows run downward
    start = 2 if data.startswith(b"\xff\xd8") else len(data)
    while start + 9 <= len(data) and data[start] == 0xFF:
        marker, length, height, width = struct.unpack_from(">xBHxHH", data, start)
        if marker in _JPEG_FRAME:
            return height, width
        start += 2 + length
    return 0, 0
