"""Lines for a stream that nobody may read: writing one never waits."""

import contextlib
import os
import threading
from types import TracebackType
from typing import Self, TextIO

_ROOM = 16 * 2**20  # characters that may wait
_PAUSE = 0.01  # seconds in which lines gather: a wake for each would slow requests down
_PATIENCE = 0.5  # seconds that the end waits for the reader


class Lines:
    """A file for text that a thread writes to ``stream``, during a ``with`` block.

    If the reader of ``stream`` is too slow, lines are dropped, and a line tells how many. ``room``
    is the number of characters that may wait. Lines gather for ``pause`` seconds. ``stream`` is
    None in a process without the stream.
    """

    def __init__(self, stream: TextIO | None, room: int = _ROOM, pause: float = _PAUSE) -> None:
        self._stream = stream
        self._room = room
        self._pause = pause
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._size = 0  # characters in `_waiting`
        self._dropped = 0  # lines since the latest one in `_waiting`
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fakescale log", daemon=True)

    def write(self, text: str) -> int:
        """Have ``text`` written, which ends with a line's end; return at once."""
        with self._lock:
            if self._size < self._room:
                self._waiting.append(text)
                self._size += len(text)
            else:
                self._dropped += 1
        if not self._woken.is_set():
            self._woken.set()
        return len(text)

    def flush(self) -> None:
        """Do nothing, as the thread writes by itself; logging calls this."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._woken.set()
        self._thread.join(_PATIENCE)  # nobody may read

    def _run(self) -> None:
        while not self._ended.is_set() or self._waiting:
            self._woken.wait()
            self._ended.wait(self._pause)
            self._woken.clear()
            text = self._take()
            if self._stream is not None:
                with contextlib.suppress(OSError, ValueError):  # nobody will ever read it
                    content = text.encode(self._stream.encoding, "backslashreplace")
                    # To write to the stream itself could make the interpreter hang at its exit.
                    self._send(self._stream.fileno(), content)

    def _take(self) -> str:
        with self._lock:
            text = "".join(self._waiting)
            if self._dropped:
                text += f"fakescale: {self._dropped} lines were dropped, since nobody read them\n"
            self._waiting.clear()
            self._size = self._dropped = 0
        return text

    def _send(self, file: int, content: bytes) -> None:
        while content:
            try:
                content = content[os.write(file, content) :]
            except BlockingIOError:  # another process has set it so
                if self._ended.wait(_PAUSE):
                    return
