"""Where a muxer writes: a file in memory that is taken away piece by piece while it grows."""

from __future__ import annotations

import io


class Target(io.BytesIO):
    """What the muxer has written and nobody has taken yet."""

    def __init__(self, rewinds: bool) -> None:
        super().__init__()
        self._rewinds = rewinds

    def seekable(self) -> bool:
        """Whether the muxer may go back to write lengths into the header."""
        return self._rewinds

    def take(self) -> bytes:
        """All that was written since the last time."""
        taken = self.getvalue()
        self.seek(0)
        self.truncate()
        return taken
