"""Fields of forms that take several values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator

# Limits the length of URLs: a link that removes one value repeats all others.
MAX_VALUES = 50
MAX_VALUE_LENGTH = 200

validate_no_null_characters = ProhibitNullCharactersValidator()


def unique(texts: Iterable[str]) -> list[str]:
    """Without repetitions, in their order."""
    return list(dict.fromkeys(texts))


class ListField(forms.Field):
    """Texts, one for each parameter of the same name."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        texts = [text for each in value or [] if (text := str(each).strip()[:MAX_VALUE_LENGTH])]
        for text in texts:
            validate_no_null_characters(text)
        if len(each_once := unique(texts)) > MAX_VALUES:
            raise ValidationError(f"At most {MAX_VALUES} at once.")
        return each_once


class NameField(ListField):
    """Names of people. One text can have several, with commas, which are not allowed in names."""

    def to_python(self, value: Any) -> list[str]:
        return super().to_python([name for each in value or [] for name in str(each).split(",")])


class TokenField(ListField):
    """Ids of tokens."""

    def to_python(self, value: Any) -> list[str]:
        try:
            return unique(str(UUID(text)) for text in super().to_python(value))
        except ValueError as error:
            raise ValidationError("This is not a token ID.") from error
