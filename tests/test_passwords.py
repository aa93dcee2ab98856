"""Which new passwords are refused, and what the person reads."""

from __future__ import annotations

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from pytest_django import Settings

from ipadmin.models import User
from ipadmin.passwords import StrengthValidator

ALICE = User(
    username="alice.liddell",
    first_name="Alice",
    last_name="Liddell",
    email="alice@wonderland.example",
)


def problems(password: str, user: User = ALICE) -> list[str]:
    try:
        StrengthValidator().validate(password, user)
    except ValidationError as error:
        return list(error.messages)
    return []


@pytest.mark.parametrize(
    "password",
    [
        "Password123!",
        "katapult1234",
        "KATAPULT-2026",
        "Krystal-unallocate-2026",
        "123456789012345",
        "aaaaaaaaaaaaaaaa",
        "q1w2e3r4t5y6",
        "alice-liddell-2026",
        "liddell-wonderland",
        "rabbithole.test!",
        "krystalkrystalkrystal",
        "unallocateunallocate" * 20,
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(settings: Settings, password: str) -> None:
    settings.ALLOWED_HOSTS = ["rabbithole.test"]
    found = problems(password)
    assert found[0] == "This password is too easy to guess."
    # And how to make it better.
    assert len(found) >= 2


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "a new battery for the old horse",
        "xK9vP2mQ7wR4",
        "Krystal gave the tortoise a violin",
        "ümläute sind schwer zu erraten",
        "the tortoise took a violin to " * 10,
    ],
)
def test_a_password_that_is_hard_to_guess_is_accepted(password: str) -> None:
    assert problems(password) == []


def test_it_says_what_is_weak() -> None:
    text = " ".join(problems("Alice-Liddell-aaaaaaaa"))
    assert "Names and words of this site, or your own" in text
    assert "Repeats like" in text


def test_a_short_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="12 characters"):
        validate_password("xK9vP2mQ7w", ALICE)


def test_it_works_without_a_person() -> None:
    with pytest.raises(ValidationError):
        StrengthValidator().validate("katapult1234")
