"""What is being recorded, seen at once: the newest clusters of a segment that is written, as a live WebM.

Who only watches a call needs no leg in it: she sees what is kept, half a second later; the call is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from server.media.salvage import Piece, SealedReader, Second
from server.media.webm_index import VOID, Block, WebmIndex, cluster_time, rebased


class LiveView:
    """Follows one file. Blocking: for a thread. ``close`` at the end."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Raises NotASealedFile where the header is not written yet, OSError."""
        self.ended = False
        """The file was closed in order: nothing more comes."""
        self._source: BinaryIO = path.open("rb")
        try:
            self._reader = SealedReader(self._source, key)
        except BaseException:
            self._source.close()
            raise
        self._index = WebmIndex(on_cluster=self._take)
        self._needs_key = True
        self._base: int | None = None
        self._ready = bytearray()
        self._waiting = False

    def catch_up(self) -> None:
        """Read what was recorded before, and let it go; what ``more`` gives begins with the next key frame."""
        self._read()
        self._waiting = True

    def more(self) -> bytes:
        """What came since; the first bytes are the stream's head."""
        self._read()
        taken = bytes(self._ready)
        self._ready.clear()
        return taken

    def close(self) -> None:
        self._source.close()

    def _read(self) -> None:
        for item in self._reader.items(growing=True):
            match item:
                case Piece(content=bytes(content)):
                    self._index.feed(content)
                case Piece():
                    self._index.gap(item.length)
                    self._needs_key = True
                case Second(last=True):
                    self.ended = True
        self._index.extents.clear()  # of no use here, and they would grow with the call

    def _take(self, cluster: bytes, blocks: Sequence[Block]) -> None:
        if not self._waiting or (self._base is None and not any(block.key and block.video for block in blocks)):
            return
        if self._base is None:
            self._base = cluster_time(cluster)
            self._ready += self._index.live_head()
        shown = rebased(cluster, self._base)
        for block in blocks:
            if block.video and block.key:
                self._needs_key = False
            elif block.video and self._needs_key:
                shown[block.place] = VOID
        self._ready += shown
