"""Encryption of API tokens with AES-256-GCM and TOKEN_ENCRYPTION_KEYS; and the keys of AUDIT_KEYS,
with which the hash chain is sealed.

An encrypted secret is `key id (4 bytes) | nonce (12) | ciphertext and tag`. The text
`bound_to` is authenticated with it, so that it can be decrypted for the same row and owner only.
"""

from __future__ import annotations

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from ipadmin.katapult.types import Secret

KEY_BYTES = 32
KEY_ID_BYTES = 4
NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The key is not configured, the row or owner is another, or the bytes were changed."""


def generate_key() -> str:
    """A new key: 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def decode_key(text: str) -> bytes:
    """The 32 bytes of a key. Raises ValueError for anything else."""
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError("a key is URL-safe base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, this one {len(key)}")
    return key


def encrypt(secret: Secret, *, bound_to: str) -> bytes:
    """Encrypt with the newest key."""
    key, nonce = _keys()[0], os.urandom(NONCE_BYTES)
    text = secret.reveal().encode()
    return _key_id(key) + nonce + AESGCM(key).encrypt(nonce, text, bound_to.encode())


def decrypt(encrypted: bytes, *, bound_to: str) -> Secret:
    """Decrypt with the key that encrypted it. Raises CannotDecrypt."""
    key_id, rest = encrypted[:KEY_ID_BYTES], encrypted[KEY_ID_BYTES:]
    key = next((key for key in _keys() if _key_id(key) == key_id), None)
    if key is None:
        raise CannotDecrypt("encrypted with a key that is not configured")
    try:
        text = AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError):
        raise CannotDecrypt("changed, or of another row or owner") from None
    return Secret(text.decode())


def newest_key_id() -> bytes:
    """The id of the key that encrypts."""
    return _key_id(_keys()[0])


def key_id_of(encrypted: bytes) -> bytes:
    """The id of the key that a secret is encrypted with."""
    return encrypted[:KEY_ID_BYTES]


def audit_keys() -> dict[str, bytes]:
    """Key id (8 hex digits) to key, of AUDIT_KEYS, newest first."""
    keys = [decode_key(text) for text in settings.AUDIT_KEYS]
    return {_key_id(key).hex(): key for key in keys}


def _keys() -> list[bytes]:
    return [decode_key(text) for text in settings.TOKEN_ENCRYPTION_KEYS]


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"key id" + key).digest()[:KEY_ID_BYTES]
