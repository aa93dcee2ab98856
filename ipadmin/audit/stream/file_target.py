"""Whole lines at the end of a file that logrotate may rename.

The file is opened for each batch, so that renaming loses nothing (`copytruncate` does).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def append(path: Path, lines: bytes) -> None:
    """Return when all lines are on disk. Raises OSError, after removing a partial write."""
    with _opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if not size:
            _sync_folder(path)
        elif os.pread(descriptor, 1, size - 1) != b"\n":
            # The process that wrote half a line was killed.
            lines = b"\n" + lines
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
        if not _is_at(path, descriptor):
            # It may have been compressed or deleted without these lines.
            raise OSError(errno.ESTALE, "it was renamed while it was written")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file, created if it is missing, and locked against other workers."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(errno.EWOULDBLOCK, "another process has locked it") from error
        yield descriptor
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(path: Path) -> None:
    """The name of a new file must survive a loss of power as well."""
    with suppress(PermissionError):  # of a folder that may be entered, but not read
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
