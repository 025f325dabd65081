"""Reading and writing videos: files and folders of frames alike."""

from pathlib import Path

from endofm.data.frame_folder import FolderReader
from endofm.data.video_info import VideoInfo, resampled_indices
from endofm.data.video_reader import VideoReader
from endofm.data.video_search import find_videos
from endofm.data.video_writer import write_video

__all__ = [
    "FolderReader",
    "VideoInfo",
    "VideoReader",
    "check_video",
    "find_videos",
    "open_video",
    "resampled_indices",
    "write_video",
]


def open_video(
    path: Path | str, *, folder_fps: float = 30.0, num_threads: int = 1
) -> VideoReader | FolderReader:
    """Open a video file or a folder of frames for reading; use it as a context manager.

    Args:
        path: The file or folder.
        folder_fps: Frame rate of a folder, which cannot tell it.
        num_threads: Threads to decode a file with.

    Raises:
        VideoError: It cannot be read, is cut short, or has no frames.
    """
    if Path(path).is_dir():
        return FolderReader(path, fps=folder_fps)
    return VideoReader(path, num_threads=num_threads)


def check_video(path: Path | str, *, folder_fps: float = 30.0, num_threads: int = 1) -> VideoInfo:
    """What a video is, after a check that finds damage and truncation at little cost.

    A file must hold all the packets that its container lists; its first and its last frame must
    decode, with all between the last and the key frame before it. (MPEG, WMV and fragmented MP4
    state no length, so that a clean cut does not show.) Of a folder no picture may be empty, and
    the first and the last must be readable.

    Args:
        path: The file or folder.
        folder_fps: Frame rate of a folder, which cannot tell it.
        num_threads: Threads to decode a file with.

    Raises:
        VideoError: It cannot be read, is cut short, or has no frames.
    """
    with open_video(path, folder_fps=folder_fps, num_threads=num_threads) as video:
        video.frames([video.info.num_frames - 1])  # the first was read on opening
        return video.info
