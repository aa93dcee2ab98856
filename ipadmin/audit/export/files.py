"""A new file that is either complete or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def part_of(path: Path) -> Path:
    """The name of a file until it is complete."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that only its owner may read. It gets its name when it is synced to the disk.

    Raises FileExistsError, before anything is written, when the file or its part exists; OSError
    when it cannot be written. An exception inside the block removes the part.
    """
    _refuse_existing(path, "is not overwritten. Choose another name.")
    part = part_of(path)
    _refuse_existing(part, "was left by a killed export, or is being written. If not, delete it.")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        _refuse_existing(path, "is not overwritten. Choose another name.")
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path)


def sync_folder(path: Path) -> None:
    """Make the name of a new file, too, survive a power failure."""
    folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _refuse_existing(path: Path, problem: str) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists and {problem}")
