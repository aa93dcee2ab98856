"""How hard a new password is to guess."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

from ipadmin.models import User

# Of zxcvbn's 0 to 4: at least 10^8 guesses.
MIN_SCORE = 3
# What zxcvbn reads; longer passwords are accepted.
READ_CHARACTERS = 72
# Words that anyone would try here.
PRODUCT_WORDS = ("katapult", "krystal", "ipadmin", "unallocate", "sandbox")
# Shorter words occur in others.
WORD_CHARACTERS = 4
HELP = "A few uncommon words are easy to remember and hard to guess."


class StrengthValidator:
    """Refuses passwords that are easy to guess, for example because of words of the site or of the
    person, and the one that the person has already."""

    def validate(self, password: str, user: User | None = None) -> None:
        if user and user.check_password(password):
            raise ValidationError("This is your password already. Choose a new one.")
        words = sorted(_words(user), key=len, reverse=True)
        removed = [re.escape(word) for word in words if len(word) >= WORD_CHARACTERS]
        # What is left without them must be hard to guess.
        rest = re.sub("|".join(removed), "", password, flags=re.IGNORECASE)
        found = zxcvbn(rest[:READ_CHARACTERS] or "a", words)  # type: ignore[no-untyped-call]
        if found["score"] < MIN_SCORE:
            raise ValidationError(list(_problem(found["feedback"], rest != password)))

    def get_help_text(self) -> str:
        return HELP


def _problem(feedback: dict[str, str | list[str]], has_words: bool) -> Iterator[str]:
    yield "This password is too easy to guess."
    if has_words:
        yield "Names and words of this site, or your own, don't make it harder to guess."
    if warning := feedback["warning"]:
        yield str(warning)
    yield from feedback["suggestions"]


def _words(user: User | None) -> set[str]:
    """Lower-case words of the product, the site's host names and the person."""
    texts = [*PRODUCT_WORDS, *settings.ALLOWED_HOSTS]
    if user:
        texts += [user.get_username(), user.first_name, user.last_name, user.email]
    return {word for text in texts for word in re.split(r"[\W_\d]+", text.lower()) if word}
