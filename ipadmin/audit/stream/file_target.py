"""Whole lines at the end of a file that others rotate, and may write into as well.

The file is opened anew for every batch, so logrotate's renaming loses nothing (its `copytruncate`
can). Everything here raises OSError, and then what was written is taken back, unless somebody else
wrote behind it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Seconds to wait for another process that holds the file's lock.
LOCK = 5.0


def append(path: Path, data: bytes) -> None:
    """Returns when all of `data`, whole lines, is on the disk."""
    with _opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if not size:
            _sync_folder(path)
        elif os.pread(descriptor, 1, size - 1) != b"\n":
            # Behind the half line of a process that was killed.
            data = b"\n" + data
        _write_or_take_back(descriptor, data)
        if not _stands_at(path, descriptor):
            # The lines may be safe where it went, or deleted with it: rather twice than never.
            raise OSError(errno.ESTALE, "it was moved away while it was written")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file that stands there now, locked against other processes of ours."""
    deadline = time.monotonic() + LOCK
    while True:
        descriptor = _open(path)
        try:
            _lock(descriptor, deadline)
            if _stands_at(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _open(path: Path) -> int:
    # Readable, to see how it ends; without blocking, should it be a pipe.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError as error:
        raise OSError(errno.ENOENT, "its folder does not exist") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file")
    return descriptor


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise OSError(errno.EWOULDBLOCK, "another process keeps it locked") from error
            time.sleep(0.02)


def _stands_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _write_or_take_back(descriptor: int, data: bytes) -> None:
    """Where an appended write began is known only after it: others may have been quicker."""
    start = end = None
    done = False
    try:
        view = memoryview(data)
        while view:
            count = os.write(descriptor, view)
            reached = os.lseek(descriptor, 0, os.SEEK_CUR)
            if start is None:
                start = end = reached - count
            if not count or reached - count != end:
                raise OSError(errno.EIO, "somebody else wrote into it in the middle of a line")
            view, end = view[count:], reached
        os.fsync(descriptor)
        done = True
    finally:
        if not done and start is not None:
            _take_back(descriptor, start, end)


def _take_back(descriptor: int, start: int, end: int | None) -> None:
    with suppress(OSError):
        if os.fstat(descriptor).st_size == end:
            os.ftruncate(descriptor, start)


def _sync_folder(path: Path) -> None:
    """So that the name of a new file outlasts a loss of power, too."""
    with suppress(PermissionError):  # a folder that may be entered, but not read
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
