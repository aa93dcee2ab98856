"""A new file that is either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def part_of(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that only its owner may read; it has its name once it is on the disk.

    Raises FileExistsError, before anything is written, when there is one, or an unfinished one,
    already; OSError when it cannot be written. Whatever is raised inside leaves nothing behind.
    """
    _refuse_what_is_there(path)
    part = part_of(path)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FileExistsError(
            f"{part} is there already: left by one that was killed, or still being written. "
            "When nobody is writing it, delete it."
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        _refuse_what_is_there(path)
        part.rename(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    _sync_folder(path)


def _refuse_what_is_there(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{path} is there already. It is not overwritten: name another file.")


def _sync_folder(path: Path) -> None:
    """So that the name outlasts a loss of power, too."""
    folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
