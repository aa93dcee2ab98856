"""Form fields with several values, one for each parameter of the same name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator

# Limits the length of URLs: a link that removes one value repeats all others.
MAX_VALUES = 50
MAX_VALUE_LENGTH = 200


class ListField(forms.Field):
    """Texts, one for each parameter of the same name."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        unique = dict.fromkeys(str(each).strip()[:MAX_VALUE_LENGTH] for each in value or [])
        texts = [text for text in unique if text]
        for text in texts:
            ProhibitNullCharactersValidator()(text)
        if len(texts) > MAX_VALUES:
            raise ValidationError(f"At most {MAX_VALUES} at once.")
        return texts


class NameField(ListField):
    """Names of people. One text can have several, with commas, which are not allowed in names."""

    def to_python(self, value: Any) -> list[str]:
        return super().to_python([name for each in value or [] for name in str(each).split(",")])


class TokenField(ListField):
    """Ids of tokens."""

    def to_python(self, value: Any) -> list[str]:
        try:
            return list({str(UUID(text)): None for text in super().to_python(value)})
        except ValueError as error:
            raise ValidationError("This is not a token ID.") from error
