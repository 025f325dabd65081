"""What H.264 tells of its pictures without decoding them (ITU-T H.264, sections 7.3.1 and 7.4.1).

A packet holds one picture as NAL units: the parts of its image (slices) and what is said about
them. In MP4 and Matroska the length of each unit stands before it (ISO/IEC 14496-15).
"""

_SLICE, _EXTRA_INFORMATION, _DELIMITER, _FILLER = 1, 6, 9, 12

# First bytes of the NAL units that can be left out, when all of a packet can: the uppermost bit
# is zero; the next two, nal_ref_idc, are zero if no other picture refers to this one; the others
# are the type of the unit.
_WITHOUT_CONSEQUENCE = frozenset({_SLICE, _EXTRA_INFORMATION, _DELIMITER, _FILLER})


def nal_length_size(extradata: bytes | None) -> int | None:
    """Bytes of the length in front of each NAL unit, from what the container says of the codec.

    Args:
        extradata: The decoder's configuration as FFmpeg gives it.

    Returns:
        1 to 4, or None where start codes part the units instead (MPEG-TS, AVI).
    """
    if not extradata or len(extradata) < 7 or extradata[0] != 1:
        return None
    return (extradata[4] & 3) + 1


def is_unreferenced(packet: memoryview, *, length_size: int) -> bool:
    """Whether a packet holds nothing but a picture that no other one refers to.

    No other picture changes if such a packet is left out.

    Args:
        packet: NAL units with their lengths in front.
        length_size: Bytes of each length.

    Returns:
        False in all cases of doubt, as when the lengths do not fill the packet.
    """
    first_bytes = set()
    while packet:
        length = int.from_bytes(packet[:length_size], "big")
        unit, packet = packet[length_size:][:length], packet[length_size + length :]
        if not length or len(unit) < length:
            return False
        first_bytes.add(unit[0])
    return _SLICE in first_bytes and first_bytes <= _WITHOUT_CONSEQUENCE
