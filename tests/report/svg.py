"""What a chart's picture shows, read back from its SVG."""

import base64
import re
import xml.etree.ElementTree as ET

import numpy as np


def svg_text(picture: str) -> str:
    kind, content = picture.split(",", maxsplit=1)
    assert kind == "data:image/svg+xml;base64"
    text = base64.b64decode(content).decode()
    ET.fromstring(text)
    return text


def drawn_points(picture: str, style: str) -> np.ndarray:
    """Corners of the first path whose style holds some text, (N, 2): x and y, y downward."""
    for path, found in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg_text(picture)):
        if style in found:
            return np.array(re.findall(r"[-\d.]+", path), dtype=float).reshape(-1, 2)
    raise AssertionError(f"no path with {style}")
