"""Folders of small videos, the stores packed from them, and a server of files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from endofm.data.manifests import Video, scan
from endofm.data.shard_index import ShardIndex
from endofm.data.shard_writer import pack_videos
from tests.data.coded_video import SAMPLES

SHARD_BYTES = 60_000
"""Room for about three of the videos."""

NAMES = ["a.mp4", "b/two words.mp4", "b/two\nlines.mp4", "b/dots.in.it.mp4", "Ж/腸.mp4", "x" * 200]


def write_videos(folder: Path, *, num_videos: int = 8) -> Path:
    """Videos of 40 coded frames with odd names, in one container or another."""
    (source := folder / "source").mkdir(parents=True)
    kinds = ["h264_mp4", "mjpeg_avi", "h264_mkv"]
    data = [SAMPLES[kind].write(source, kind).read_bytes() for kind in kinds]
    videos = folder / "videos"
    for number in range(num_videos):
        kind = number % len(kinds)
        name = NAMES[number] if number < len(NAMES) else f"{number}.mp4"
        path = (videos / name).with_suffix(SAMPLES[kinds[kind]].suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[kind])
    return videos


def find(folder: Path) -> tuple[Video, ...]:
    return scan([folder], min_frames=1).videos


def pack(folder: Path, to: Path, *, shard_bytes: int = SHARD_BYTES) -> ShardIndex:
    return pack_videos(find(folder), to, root=folder, shard_bytes=shard_bytes)


class _Server(SimpleHTTPRequestHandler):
    """Serves files, and parts of them where it is told to."""

    def __init__(self, *args: object, ranges: bool, log: list[str], **options: str) -> None:
        self.ranges, self.log = ranges, log
        super().__init__(*args, **options)  # type: ignore[arg-type]  # the base's own arguments

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.log.append(f"{self.path} {self.headers.get('Range', '')}")
        path = Path(self.translate_path(self.path))
        if not (asked and self.ranges and path.is_file()):
            super().do_GET()
            return
        data = path.read_bytes()
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(data[first : last + 1])


@contextmanager
def served(folder: Path, *, ranges: bool = True, log: list[str] | None = None) -> Iterator[str]:
    """The URL of a folder for as long as the context lasts."""
    handler = partial(_Server, directory=str(folder), ranges=ranges, log=[] if log is None else log)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
