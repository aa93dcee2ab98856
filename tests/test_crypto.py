"""Secrets sealed to their row and owner."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ipadmin.crypto import CannotDecrypt, decode_key, decrypt, encrypt, generate_key
from ipadmin.katapult.types import Secret

SECRET = Secret("a-secret-token-0123456789")
HERE = "api-token:1:alice"


def test_a_secret_is_decrypted_in_its_context() -> None:
    assert decrypt(encrypt(SECRET, bound_to=HERE), bound_to=HERE) == SECRET


def test_a_ciphertext_shows_nothing_of_the_secret() -> None:
    sealed = encrypt(SECRET, bound_to=HERE)
    assert SECRET.reveal().encode() not in sealed
    assert sealed != encrypt(SECRET, bound_to=HERE)


@pytest.mark.parametrize("elsewhere", ["", "api-token:2:alice", "api-token:1:bob", HERE + " "])
def test_a_secret_is_not_decrypted_in_another_context(elsewhere: str) -> None:
    with pytest.raises(CannotDecrypt):
        decrypt(encrypt(SECRET, bound_to=HERE), bound_to=elsewhere)


def test_a_ciphertext_with_a_changed_byte_is_refused() -> None:
    sealed = encrypt(SECRET, bound_to=HERE)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(CannotDecrypt):
            decrypt(changed, bound_to=HERE)


def test_a_truncated_ciphertext_is_refused() -> None:
    sealed = encrypt(SECRET, bound_to=HERE)
    for length in range(len(sealed)):
        with pytest.raises(CannotDecrypt):
            decrypt(sealed[:length], bound_to=HERE)


def test_rotation_encrypts_with_the_newest_key_and_decrypts_with_all(settings: Any) -> None:
    sealed = encrypt(SECRET, bound_to=HERE)
    settings.TOKEN_ENCRYPTION_KEYS = [generate_key(), *settings.TOKEN_ENCRYPTION_KEYS]
    assert decrypt(sealed, bound_to=HERE) == SECRET
    sealed = encrypt(SECRET, bound_to=HERE)
    settings.TOKEN_ENCRYPTION_KEYS = settings.TOKEN_ENCRYPTION_KEYS[:1]
    assert decrypt(sealed, bound_to=HERE) == SECRET


@pytest.mark.parametrize("keys", [[], [generate_key()]])
def test_decrypting_with_a_lost_key_is_refused(settings: Any, keys: list[str]) -> None:
    sealed = encrypt(SECRET, bound_to=HERE)
    settings.TOKEN_ENCRYPTION_KEYS = keys
    with pytest.raises(CannotDecrypt) as caught:
        decrypt(sealed, bound_to=HERE)
    assert SECRET.reveal() not in repr(caught.value)


@pytest.mark.parametrize(
    "text", ["", "short", "é" * 32, "=" * 44, base64.b64encode(b"x" * 31).decode(), "a b" * 20]
)
def test_an_invalid_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a key"):
        decode_key(text)


def test_a_generated_key_is_valid() -> None:
    assert len(decode_key(generate_key())) == 32
    assert generate_key() != generate_key()
