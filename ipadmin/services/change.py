"""A change of an address, as an operator confirmed it: what an attempt carries out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import Action


@dataclass(frozen=True, slots=True)
class Change:
    """One confirmed change, and the id of the one attempt that may carry it out.

    `ip` is the address as the operator saw it, read after `read_since`. `target` is what it is to
    be allocated to, `reverse_dns` its new host name. `undoes` is the attempt that this one undoes,
    `run_id` the run that it is part of.
    """

    attempt_id: UUID
    action: Action
    ip: IPAddress
    read_since: datetime
    target: Allocation | None = None
    reverse_dns: str = ""
    is_last_of_family: bool | None = None
    undoes: UUID | None = None
    run_id: UUID | None = None

    @property
    def allocation(self) -> Allocation | None:
        """The allocation that the entry records."""
        return self.target if self.action == Action.ALLOCATE else self.ip.allocation
