"""What a call works with: the objects that its arguments name, and the page that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .arguments import Arguments
from .bodies import Body, trash_object
from .errors import ApiError
from .state import Entry, State
from .tokens import Token
from .world import VIRTUAL_MACHINE, Address, Organization, Resource

DEFAULT_PER_PAGE, MOST_PER_PAGE = 30, 200
T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """What a call works with. Its lookups see what belongs to the token's organizations."""

    state: State
    entry: Entry
    token: Token
    arguments: Arguments
    large_set: bool

    def organizations(self) -> list[Organization]:
        return [self.state.world.organizations[owner] for owner in self.token.owners]

    def owns(self, organization_id: str | None) -> bool:
        return organization_id in {each.id for each in self.organizations()}

    def machines(self) -> list[Resource]:
        resources = self.state.world.resources.values()
        return [r for r in resources if r.type == VIRTUAL_MACHINE and self.owns(r.organization)]

    def find(self, name: str, among: Iterable[T]) -> T:
        """The object that the lookup `name` means. Raises ApiError."""
        key, value = self.arguments.lookup(name)
        for each in among:
            if getattr(each, key) == value:
                return each
        raise ApiError(f"{name}_not_found")

    def organization(self) -> Organization:
        found = self.find("organization", self.organizations())
        if found.suspended:
            raise ApiError("organization_suspended")
        if found.activated_at is None:
            raise ApiError("organization_not_activated")
        return found

    def ip_address(self) -> Address:
        """Unlike `find`, with an index, and in any spelling of an address."""
        found = self.state.world.address(*self.arguments.lookup("ip_address"))
        if found is None or not self.owns(found.organization):
            raise ApiError("ip_address_not_found")
        return found

    def machine(self) -> Resource:
        """The virtual machine that the lookup means. Raises ApiError, also for one in the trash."""
        found = self.find("virtual_machine", self.machines())
        if found.in_trash:
            raise ApiError("object_in_trash", {"trash_object": trash_object(found)})
        return found

    def page(self, find: Callable[[], Sequence[T]]) -> tuple[Sequence[T], Body]:
        """The page that the arguments ask for, and `pagination`. A large set hides its totals
        [doc]. Arguments are read before anything is looked for [frame]."""
        page = self.arguments.integer("page", 1)
        per_page = self.arguments.integer("per_page", DEFAULT_PER_PAGE, MOST_PER_PAGE)
        found = find()
        pagination: Body = {
            "current_page": page,
            "total_pages": None if self.large_set else -(-len(found) // per_page),
            "total": None if self.large_set else len(found),
            "per_page": per_page,
            "large_set": self.large_set,
        }
        return found[(page - 1) * per_page : page * per_page], pagination

    def change(
        self, address: Address, resource: Resource | None, reverse_dns: str | None = None
    ) -> None:
        resource_id = resource.id if resource else None
        self.state.change(address.id, resource_id, address.organization, reverse_dns, by=self.entry)
