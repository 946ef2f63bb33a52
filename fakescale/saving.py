"""Files that the command writes: the whole content arrives, or an error says why not."""

import contextlib
import errno
import os
import select
import stat
import tempfile
import time
from pathlib import Path

# Seconds that the reader of a pipe may be late. Docker kills a container after ten.
_PATIENCE = 5.0
_PIECE = 4096  # bytes that a pipe takes without waiting, once it takes any
# After these errors of a replacement, the file itself may be writable: it is mounted on its own,
# its directory is read-only, or (on Windows) another process has it open.
_IN_PLACE = {errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS}

#: Files to remove if the process ends at once.
temporary: set[str] = set()


def check(text: str) -> Path:
    """Return the path ``text``; raises OSError if nothing can be written there.

    The path may lead to a new file, a file, or a special file, for example ``/dev/stdout`` or a
    pipe.
    """
    file = Path(text)
    folder = Path(os.path.realpath(file)).parent
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
        folder.stat()
    if not stat.S_ISREG(mode) or not os.access(folder, os.W_OK):
        if stat.S_ISDIR(mode) or stat.S_ISSOCK(mode):
            raise OSError(errno.EINVAL, "It is a directory or a socket")
        if not os.access(file, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return file


def save(file: Path, data: bytes, mode: int = 0o600) -> Path | None:
    """Write ``data`` to ``file``, in one step, so that nobody reads half of it.

    Links are followed. The data is written into a special file, the output of this process, or a
    file that cannot be replaced. Raises OSError, and leaves no temporary file behind.

    Returns the path of the file, or None for a special file.
    """
    target = Path(os.path.realpath(file))
    try:
        status = file.stat()
    except FileNotFoundError:
        _replace(target, data, mode)
        return target
    for number in (1, 2):  # opening it again would overwrite its beginning
        if _leads_to(number, status):
            _write(number, data)
            return None
    # A link below /proc may lead to a file without a name.
    if not stat.S_ISREG(status.st_mode) or not target.exists():
        _write_into(file, data)
        return None
    try:
        _replace(target, data, mode)
    except OSError as error:
        if error.errno not in _IN_PLACE:
            raise
        target.write_bytes(data)
    return target


def save_or_tell(file: Path, data: bytes) -> str | None:
    """Do as ``save``; return a line about the failure, or None.

    After a failure, the data is in a file of the temporary directory, which the line names.
    """
    try:
        save(file, data)
        return None
    except OSError as error:
        line = f"cannot write {file}: {_reason(error)}"
    try:
        other = Path(tempfile.gettempdir(), f"fakescale-{os.getpid()}-{time.time_ns()}.json")
        _replace(other, data, 0o600)
        return f"{line}; the state is in {other}"
    except OSError as error:
        return (
            f"{line}; the state is lost, since the temporary directory fails too: {_reason(error)}"
        )


def remove_temporary() -> None:
    """Remove the temporary files, before the process ends at once."""
    for name in list(temporary):
        with contextlib.suppress(OSError):
            os.unlink(name)


def _replace(target: Path, data: bytes, mode: int) -> None:
    number, name = tempfile.mkstemp(prefix=".fakescale-", dir=target.parent)
    temporary.add(name)
    try:
        with open(number, "wb") as new:
            new.write(data)
        with contextlib.suppress(OSError):  # the file system has no modes
            os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    finally:
        temporary.discard(name)


def _write_into(file: Path, data: bytes) -> None:
    """Write into a special file; waits a while for the reader of a pipe."""
    # These flags are not on all systems.
    more = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            number = os.open(file, os.O_WRONLY | os.O_TRUNC | more)
            break
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > until:
                raise
            time.sleep(0.01)  # the pipe has no reader yet
    try:
        _write(number, data)
    finally:
        os.close(number)


def _write(number: int, data: bytes) -> None:
    """Write to a descriptor; raises TimeoutError if it takes nothing for a while."""
    rest = memoryview(data)
    while rest:
        if hasattr(select, "poll"):  # not on Windows
            poll = select.poll()
            poll.register(number, select.POLLOUT)
            if not poll.poll(1000 * _PATIENCE):
                raise TimeoutError(errno.ETIMEDOUT, "Nobody reads it")
        with contextlib.suppress(BlockingIOError):
            rest = rest[os.write(number, rest[:_PIECE]) :]


def _leads_to(number: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), status)
    except OSError:  # it is closed
        return False


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
