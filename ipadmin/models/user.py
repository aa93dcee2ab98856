from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.db import models
from django.db.models.functions import Lower


class User(AbstractUser):
    """A person who can sign in. Their permissions come from their groups; see `access.py`.

    The user name never changes, and accounts are disabled, not deleted: the history names them.
    """

    username = models.CharField(
        "user name",
        max_length=150,
        unique=True,
        validators=[ASCIIUsernameValidator()],
        help_text="Letters, digits and @ . + - _ only. It can't be changed later.",
        error_messages={"unique": "There is an account with this user name."},
    )
    # Set where another person has set the password.
    must_change_password = models.BooleanField(default=False)
    # Since when a second factor is required of this person; None while it is not.
    second_factor_required_at = models.DateTimeField(null=True, blank=True)

    class Meta(AbstractUser.Meta):
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(Lower("username"), name="user_name_any_case")
        ]

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username
