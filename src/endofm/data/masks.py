"""One mask file as the pixels of a lesion."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endofm.data.images import read_image
from endofm.errors import DataError

THRESHOLD = 128
"""Half of 255: 138 of CVC-ClinicDB's 612 masks have values between 0 and 255."""


def read_mask(path: Path, *, threshold: int = THRESHOLD) -> NDArray[np.bool_]:
    """Where a mask shows a lesion, (H, W); for the kinds of file see ``read_image``.

    Args:
        path: A grey picture: of 16-bit values the high byte counts, alpha does not.
        threshold: Least value that is lesion, 1 to 255. Endo-FM's code took 255 alone. It does not
            matter where the largest value of the file is 1: such a mask holds labels, 1 is lesion.

    Raises:
        DataError: The file cannot be read, or has colours.
    """
    assert 1 <= threshold <= 255, threshold
    picture = read_image(path)  # (H, W, 3)
    values = picture[..., 0]  # (H, W)
    if (picture != values[..., None]).any():
        raise DataError(
            f"{path}: has colours, so what is lesion cannot be told",
            "save the mask in grey, 255 where there is a lesion and 0 elsewhere",
        )
    return values >= (1 if values.max() == 1 else threshold)
