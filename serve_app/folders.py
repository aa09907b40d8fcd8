"""Folders of a local disk that are swept. Blocking."""

from __future__ import annotations

import os
import time


def newest_s(folder: os.DirEntry[str]) -> float:
    """Seconds since 1970 when a file of it was last written: whichever, what a crash left half-written expires too."""
    with os.scandir(folder.path) as files:
        times = [file.stat(follow_symlinks=False).st_mtime for file in files]
    return max(times, default=folder.stat(follow_symlinks=False).st_mtime)


def drop(folder: os.DirEntry[str], ending: str, age_s: float) -> None:
    """Removes files of a folder.

    Args:
        folder: not a link.
        ending: of their names.
        age_s: seconds since they were written, at least.
    """
    oldest_s = time.time() - age_s
    with os.scandir(folder.path) as files:
        named = [file for file in files if file.name.endswith(ending)]
    for file in named:
        if file.stat(follow_symlinks=False).st_mtime < oldest_s:
            os.unlink(file.path)
