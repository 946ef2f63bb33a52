"""Stacks of threads, for warnings about threads that do not end."""

import sys
import traceback


def stack_of(thread: int | None) -> str:
    """Return the stack of the thread with this identifier, or "" if there is no such thread."""
    frame = None if thread is None else sys._current_frames().get(thread)
    return "" if frame is None else "".join(traceback.format_stack(frame))
