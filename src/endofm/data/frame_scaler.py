"""Decoded frames brought to the size and the form in which clips are stored, by FFmpeg alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from endofm.data.pixels import orientation_of

PixelBox = tuple[int, int, int, int]
"""x1, y1, x2, y2 in px of the frame as shown, x2 and y2 being the first outside."""

_SCALE = "flags=bicubic:out_color_matrix=bt709:out_range=tv"


def stored_size_hw(size_hw: tuple[int, int], *, short_side_px: int) -> tuple[int, int]:
    """A frame's size once its short side is ``short_side_px``; smaller frames stay as they are.

    Both sides are even, as yuv420p asks for: the nearest even number, and 2 at least.
    """
    scale = min(short_side_px / min(size_hw), 1.0)
    height, width = (max(2 * round(side * scale / 2), 2) for side in size_hw)
    return height, width


class FrameScaler:
    """Turns frames as their video says, cuts, blackens and scales them, to BT.709 yuv420p.

    Frames of another size or form than those before are welcome.

    Args:
        short_side_px: Of what comes out; see ``stored_size_hw``.
        crop_xyxy: What to keep of a frame; all of it, if none.
        black_boxes: What to blacken first.
        num_threads: Threads to scale with.
    """

    def __init__(
        self,
        *,
        short_side_px: int,
        crop_xyxy: PixelBox | None = None,
        black_boxes: Sequence[PixelBox] = (),
        num_threads: int = 1,
    ) -> None:
        self._short_side_px = short_side_px
        self._crop_xyxy = crop_xyxy
        self._black_boxes = tuple(black_boxes)
        self._num_threads = num_threads
        self._graph: Graph | None = None
        self._form: tuple[object, ...] = ()
        self._count = 0

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame as it is to be stored, in memory of its own."""
        form = (
            frame.width,
            frame.height,
            frame.format.name,
            frame.colorspace,
            frame.color_range,
            orientation_of(frame),
        )
        if self._graph is None or form != self._form:
            self._graph, self._form = self._make_graph(frame), form
        # Each in goes out at once: the filters need no neighbours, so times do not matter.
        frame.pts, frame.time_base = self._count, Fraction(1, 30)
        self._count += 1
        self._graph.push(frame)
        scaled = self._graph.pull()
        assert isinstance(scaled, VideoFrame)
        return scaled

    def _make_graph(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = self._num_threads
        last = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=av.VideoFormat(frame.format.name),
            time_base=Fraction(1, 30),
        )
        for name, arguments in [*self._filters(frame), ("format", "yuv420p"), ("buffersink", "")]:
            following = graph.add(name, arguments) if arguments else graph.add(name)
            last.link_to(following)
            last = following
        graph.configure()
        return graph

    def _filters(self, frame: VideoFrame) -> Iterator[tuple[str, str]]:
        turned = orientation_of(frame)
        size_hw = frame.height, frame.width
        if turned.is_transposed:
            yield "transpose", "0"
            size_hw = frame.width, frame.height
        if turned.rows_reversed:
            yield "vflip", ""
        if turned.columns_reversed:
            yield "hflip", ""
        for x1, y1, x2, y2 in self._black_boxes:
            yield "drawbox", f"x={x1}:y={y1}:w={x2 - x1}:h={y2 - y1}:color=black:t=fill"
        if self._crop_xyxy:
            x1, y1, x2, y2 = self._crop_xyxy
            yield "crop", f"{x2 - x1}:{y2 - y1}:{x1}:{y1}:exact=1"
            size_hw = y2 - y1, x2 - x1
        height, width = stored_size_hw(size_hw, short_side_px=self._short_side_px)
        yield "scale", f"{width}:{height}:{_SCALE}"
