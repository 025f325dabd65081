"""How videos are prepared."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from endofm.config import Settings


class PrepareSettings(Settings):
    """Form of the clips, and what is left out of them."""

    short_side_px: Annotated[int, Field(ge=16, multiple_of=2)] = 256
    """Short side of the clips; smaller videos stay as they are."""
    fps: PositiveFloat = 30.0
    """Frames a second. A source of a quarter of that rate or less keeps its own: repeated frames
    show no motion."""
    picture_fps: PositiveFloat | None = None
    """How many pictures were taken a second, where the set's own figure is to be overruled. The
    original played CholecT45, a picture a second, at 30."""
    clip_frames: Annotated[int, Field(ge=8)] = 150
    """Frames of a clip; the last of a video has up to twice as many, less one."""
    min_frames: PositiveInt = 8
    """Shorter clips are not written."""
    crf: Annotated[int, Field(ge=0, le=51)] = 18
    """Constant rate factor of H.264: 0 is the largest file, 51 the worst picture."""
    keyframe_every: PositiveInt = 30
    """Frames from one key frame to the next at most."""
    keep_all: bool = False
    """Keep frames that are black or show no tissue, such as the room. Needed for video without
    colour and for fluorescence, which look like neither."""
    crop_content: bool = False
    """Cut away the black border around the picture."""
    mask_text: bool = False
    """Blacken burned-in writing, such as names and dates. A help, not a proof: look at the page."""
    frames: bool = True
    """Also write the frames that have masks or boxes, at their full size."""
