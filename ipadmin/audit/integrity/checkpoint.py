"""Checkpoints: number and seal of the last link, stored where nobody who can write to the database
can change them."""

from __future__ import annotations

import re
from typing import NamedTuple

CHECKPOINT = re.compile(r"([1-9][0-9]{0,17}):([0-9a-fA-F]{64})")


class Checkpoint(NamedTuple):
    sequence: int
    seal: bytes

    def __str__(self) -> str:
        return f"{self.sequence}:{self.seal.hex()}"


def parse_checkpoint(text: str) -> Checkpoint | None:
    """A checkpoint as `audit_checkpoint` prints it; None for an empty text. Raises ValueError."""
    if not (text := text.strip()):
        return None
    if not (found := CHECKPOINT.fullmatch(text)):
        raise ValueError(
            "A checkpoint is the number of a link, a colon and 64 hexadecimal digits, as"
            " `manage.py audit_checkpoint` prints it."
        )
    return Checkpoint(int(found[1]), bytes.fromhex(found[2]))
