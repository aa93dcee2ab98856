from __future__ import annotations

from typing import ClassVar

from django.db import models


class Facet(models.TextChoices):
    """What finished entries are counted by."""

    ALL = "all"
    PERSON = "person"
    TOKEN = "token"  # noqa: S105  a word, not a password
    ORGANIZATION = "organization"
    ENVIRONMENT = "environment"
    ACTION = "action"
    # Person, token, organization, environment and action together, for filters on several of them.
    ACTOR = "actor"


class Span(models.TextChoices):
    """The length of time that a counter covers, in UTC."""

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
    # The attempts that called Katapult, and the sum of the natural logarithms of their durations
    # in seconds, for the geometric mean.
    timed = models.BigIntegerField()
    log_seconds = models.FloatField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facet", "value", "span", "since", "outcome", "error_code"],
                name="one_counter",
            )
        ]

    def __str__(self) -> str:
        return f"{self.facet} {self.value} {self.since} {self.outcome}: {self.attempts}"


class AuditValueCounter(models.Model):
    """How many finished entries have a value: what can be searched for, and how rare it is."""

    # The field of the entry, or `actor` (see `Facet`).
    field = models.CharField(max_length=30)
    value = models.CharField(max_length=600)
    # The name shown to people, where it differs from the value.
    label = models.CharField(max_length=200, blank=True)
    attempts = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["field", "value"], name="one_value_counter")
        ]

    def __str__(self) -> str:
        return f"{self.field} {self.value}: {self.attempts}"
