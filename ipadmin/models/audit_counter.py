from __future__ import annotations

from typing import ClassVar

from django.db import models


class Facet(models.TextChoices):
    """By what finished entries are counted: those questions are answered without reading them."""

    ALL = "all"
    PERSON = "person"
    TOKEN = "token"  # noqa: S105  a word, not a password
    ORGANIZATION = "organization"
    ENVIRONMENT = "environment"
    # Person, token, organization and environment together: for questions about several.
    ACTOR = "actor"


class Span(models.TextChoices):
    """Over which time, in UTC."""

    DAY = "day"
    MONTH = "month"


class AuditCounter(models.Model):
    """How many finished attempts began in one day or month, by facet, outcome and error."""

    facet = models.CharField(max_length=12, choices=Facet)
    value = models.CharField(max_length=600, blank=True)
    span = models.CharField(max_length=5, choices=Span)
    since = models.DateField()
    outcome = models.CharField(max_length=10)
    error_code = models.CharField(max_length=100, blank=True)
    attempts = models.BigIntegerField()
    # Those that called Katapult, and the sum of the natural logarithms of their durations in
    # seconds: with it the geometric mean over any time.
    timed = models.BigIntegerField()
    log_seconds = models.FloatField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facet", "value", "span", "since", "outcome", "error_code"],
                name="tally_of_one",
            )
        ]

    def __str__(self) -> str:
        return f"{self.facet} {self.value} {self.since} {self.outcome}: {self.attempts}"


class AuditValueCounter(models.Model):
    """A value that occurs in finished entries, and in how many: what can be searched for, and how
    rare it is."""

    # The entry's field that has the value, or `actor` (see `Facet`).
    field = models.CharField(max_length=30)
    value = models.CharField(max_length=600)
    # As people know it, when that is not the value itself.
    label = models.CharField(max_length=200, blank=True)
    attempts = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["field", "value"], name="term_of_field")
        ]

    def __str__(self) -> str:
        return f"{self.field} {self.value}: {self.attempts}"

    @property
    def title(self) -> str:
        """As it is offered in a list. Tokens of several people may have the same label."""
        if self.field == "token_id":
            return f"{self.label} · {self.value[:8]}"
        return self.label or self.value
