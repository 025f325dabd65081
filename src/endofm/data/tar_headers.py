"""Reading the headers of tar archives so that damage is told: ``tarfile`` ends there in silence."""

from __future__ import annotations

import tarfile
from typing import Self

MAX_NAME_BYTES = 1 << 20
"""Of what precedes a member to name it; ``tarfile`` reads all that is claimed into memory."""

_NAMING = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)

TAR_ERRORS = (
    tarfile.TarError,
    ValueError,  # numbers that are none
    OverflowError,
    RecursionError,  # thousands of names of one member
)
"""What ``tarfile`` raises of a damaged archive, besides ``OSError``."""


class StrictTarInfo(tarfile.TarInfo):
    """A header; give it as ``tarinfo`` to ``tarfile.open``.

    All that is no header but the block of zeros that ends an archive is a ``ReadError``: members
    behind a damaged header, or missing with the end of the file, would be lost unseen.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read one block of 512 bytes."""
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):  # the end, as it should be
                raise
            told = str(error) if buf else "has no end mark"
            raise tarfile.ReadError(told) from None
        if info.size < 0 or (info.type in _NAMING and info.size > MAX_NAME_BYTES):
            raise tarfile.ReadError(f"a header claims {info.size} bytes")
        return info
