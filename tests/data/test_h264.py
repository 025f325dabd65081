from collections.abc import Callable
from pathlib import Path

import av
import pytest

from endofm.data.h264 import is_unreferenced, nal_length_size
from tests.data.coded_video import SAMPLES

SLICE, SEI, DELIMITER, FILLER = b"\x01abc", b"\x06ab", b"\x09a", b"\x0cabcde"


def packet(*units: bytes, length_size: int = 4) -> memoryview:
    return memoryview(b"".join(len(unit).to_bytes(length_size, "big") + unit for unit in units))


@pytest.mark.parametrize("length_size", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "units", [[SLICE], [b"\x01"], [SLICE] * 4, [DELIMITER, SEI, SEI, SLICE, SLICE, FILLER]]
)
def test_pictures_that_no_other_refers_to(units: list[bytes], length_size: int) -> None:
    assert is_unreferenced(packet(*units, length_size=length_size), length_size=length_size)


def test_any_other_unit_keeps_the_packet() -> None:
    harmless = {unit[0] for unit in (SLICE, SEI, DELIMITER, FILLER)}
    for first_byte in range(256):
        unit = bytes([first_byte]) + b"abc"
        for units in ([unit, SLICE], [SLICE, unit], [SLICE, unit, SLICE]):
            is_harmless = first_byte in harmless
            assert is_unreferenced(packet(*units), length_size=4) == is_harmless


def test_packets_without_a_picture_are_kept() -> None:
    assert not is_unreferenced(packet(), length_size=4)
    assert not is_unreferenced(packet(DELIMITER, SEI, FILLER), length_size=4)


@pytest.mark.parametrize("length_size", [1, 2, 3, 4])
def test_lengths_that_do_not_fill_the_packet(length_size: int) -> None:
    whole = packet(SLICE, SLICE, length_size=length_size)
    for size in set(range(len(whole))) - {len(whole) // 2}:
        assert not is_unreferenced(whole[:size], length_size=length_size)
    for extra in (b"\0", bytes(length_size), b"\0\0\0\0\0\0\0\1", b"\xff" * 5):
        assert not is_unreferenced(memoryview(bytes(whole) + extra), length_size=length_size)
    assert not is_unreferenced(packet(SLICE, b"", length_size=length_size), length_size=length_size)


def test_units_parted_by_start_codes_are_kept() -> None:
    for start_code in (b"\0\0\1", b"\0\0\0\1"):
        for num_slices in (1, 2, 3):
            data = memoryview((start_code + SLICE) * num_slices)
            assert not any(is_unreferenced(data, length_size=size) for size in (1, 2, 3, 4))


@pytest.mark.parametrize("length_size", [1, 2, 4])
def test_length_size_is_in_the_configuration(length_size: int) -> None:
    extradata = bytes([1, 100, 0, 31, 0xFC | (length_size - 1), 0xE1, 0])
    assert nal_length_size(extradata) == length_size
    assert nal_length_size(extradata + b"\x12abc") == length_size


@pytest.mark.parametrize(
    "extradata",
    [None, b"", b"\0\0\0\1\x67\x64\0", b"\0\0\1\x67\x64\0\x1f", b"\1\x64\0\x1f\xff\xe1"],
)
def test_configurations_without_a_length_size(extradata: bytes | None) -> None:
    assert nal_length_size(extradata) is None


@pytest.mark.parametrize(
    ("name", "length_size"), [("h264_mp4", 4), ("h264_mov", 4), ("h264_mkv", 4), ("h264_avi", None)]
)
def test_real_files(sample: Callable[[str], Path], name: str, length_size: int | None) -> None:
    with av.open(str(sample(name))) as container:
        assert nal_length_size(container.streams.video[0].codec_context.extradata) == length_size
        packets = [memoryview(p) for p in container.demux(video=0) if p.size]
        unreferenced = [is_unreferenced(data, length_size=4) for data in packets]
    assert SAMPLES[name].codec_options["bf"] == "3"
    assert any(unreferenced) == (length_size is not None)
    assert not all(unreferenced)
