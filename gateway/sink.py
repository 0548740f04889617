"""Writes lines to a stream without ever blocking the caller."""

import atexit
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import TextIO

MAX_WAITING = 4_000_000
"""Maximum bytes buffered while nobody reads the stream: seconds of the log at full load."""
END_LIMIT = 2.0
"""Maximum seconds to wait for the buffer to be written when the process ends."""
_ATOMIC = getattr(select, "PIPE_BUF", 512)
"""Maximum bytes that a pipe accepts in one piece: more could mix with the lines of other processes."""
_DROPPED = "{} WARNING gateway.sink {} log lines were dropped because standard error was blocked\n"


class Sink:
    """Writes lines in order, in a separate thread.

    Lines that would exceed `MAX_WAITING` are dropped. Once writing works again, a line says how many.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Write to `stream`; drop everything if it is None or has no descriptor."""
        self._stream = stream  # keep a reference: collecting it would close the descriptor
        self._descriptor = _descriptor(stream)
        pipe = self._descriptor is not None and stat.S_ISFIFO(os.fstat(self._descriptor).st_mode)
        self._at_once = _ATOMIC if pipe else sys.maxsize
        self._end_limit = END_LIMIT
        self._writer: threading.Thread | None = None
        self._reset()

    def write(self, lines: str) -> None:
        """Queue whole lines."""
        if self._descriptor is None:
            return
        if self._writer is None or not self._writer.is_alive():
            self._start()
        data = lines.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._size + len(data) > MAX_WAITING:
                self._dropped += data.count(b"\n")
                return
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until everything is written, for at most `END_LIMIT` seconds in all calls together."""
        if self._writer is None or not self._writer.is_alive():
            return
        with self._changed:
            if not self._changed.wait_for(lambda: not self._size, self._end_limit):
                self._end_limit = 0.0

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._size = 0  # bytes that are waiting or being written
        self._dropped = 0

    def _start(self) -> None:
        """Start the writer with an empty buffer: a forked process has no threads, and its parent writes the old one."""
        self._reset()
        self._writer = threading.Thread(target=self._run, args=(self._descriptor,), name="log", daemon=True)
        self._writer.start()

    def _run(self, descriptor: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                taken, self._waiting = b"".join(self._waiting), []
            lost = _write(descriptor, taken, self._at_once)
            with self._changed:
                self._dropped += lost
                notice = b""
                if self._dropped and not lost:
                    notice = _DROPPED.format(_now(), self._dropped).encode()
                    self._waiting.insert(0, notice)
                    self._dropped = 0
                self._size += len(notice) - len(taken)
                self._changed.notify_all()


@cache
def sink_of(stream: TextIO | None) -> Sink:
    """Return the only sink of a stream. It is drained when the process ends."""
    sink = Sink(stream)
    atexit.register(sink.drain)
    return sink


def open_standard_descriptors() -> None:
    """Open closed descriptors 0 to 2 on the null device: otherwise a socket could take one, and get the log."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return stream.fileno() if stream else None
    except (OSError, ValueError):  # in memory, or closed
        return None


def _write(descriptor: int, lines: bytes, at_once: int) -> int:
    """Write lines. Return the number of lines lost because the reader is gone or the disk is full."""
    pieces = _pieces(lines, at_once)
    for piece in pieces:
        left = piece
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:  # another process that shares the stream made it non-blocking
                time.sleep(0.01)
            except OSError:
                return piece.count(b"\n") + sum(other.count(b"\n") for other in pieces)
    return 0


def _pieces(lines: bytes, limit: int) -> Iterator[bytes]:
    """Yield groups of whole lines of at most `limit` bytes; a longer line is a group by itself."""
    start = 0
    while start < len(lines):
        end = len(lines)
        if end - start > limit:
            end = lines.rfind(b"\n", start, start + limit) + 1 or lines.find(b"\n", start + limit) + 1 or end
        yield lines[start:end]
        start = end


def _now() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
