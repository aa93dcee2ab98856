from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who can sign in. Their permissions come from their groups; see `access.py`."""

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username
