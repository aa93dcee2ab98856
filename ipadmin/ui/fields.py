"""Fields of forms that take several values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator

# The link that takes one value away repeats all the others.
MOST_VALUES = 50

validate_no_null_characters = ProhibitNullCharactersValidator()


def unique(texts: Iterable[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(texts))


class ListField(forms.Field):
    """Some texts, one a parameter."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        texts = [text for each in value or [] if (text := str(each).strip()[:200])]
        for text in texts:
            validate_no_null_characters(text)
        if len(each_once := unique(texts)) > MOST_VALUES:
            raise ValidationError(f"At most {MOST_VALUES} at once.")
        return each_once


class NameField(ListField):
    """Names of people; several may stand in one text, with commas, which no name has."""

    def to_python(self, value: Any) -> list[str]:
        return super().to_python([name for each in value or [] for name in str(each).split(",")])


class TokenField(ListField):
    """Ids of tokens."""

    def to_python(self, value: Any) -> list[str]:
        try:
            return unique(str(UUID(text)) for text in super().to_python(value))
        except ValueError as error:
            raise ValidationError("That is not the id of a token.") from error
