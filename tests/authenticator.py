"""An authenticator in software: it makes passkeys and signs with them, as a browser returns it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_encode

ADD = "/account/passkeys/add/"
# User present and verified; with data of a new credential.
FLAGS, NEW = 0x05, 0x40
Credential = dict[str, Any]


class Authenticator:
    """One device with one passkey. `is_verifying`: it asks for a PIN or a finger."""

    def __init__(self, host: str = "testserver", *, is_verifying: bool = True) -> None:
        self.host = host
        self.flags = FLAGS if is_verifying else 0x01
        self.key = generate_private_key(SECP256R1())
        self.id = os.urandom(16)
        self.user_handle = ""

    def create(self, options: Any) -> Credential:
        public = options["publicKey"]
        self.user_handle = public["user"]["id"]
        cose = ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]
        data = self._data(self.flags | NEW)
        data += bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor.encode(cose)
        attestation = {"fmt": "none", "attStmt": {}, "authData": data}
        client = self._client("webauthn.create", public["challenge"])
        return self._credential(
            clientDataJSON=client, attestationObject=cbor.encode(attestation)
        ) | {"clientExtensionResults": {"credProps": {"rk": True}}}

    def get(self, options: Any) -> Credential:
        client = self._client("webauthn.get", options["publicKey"]["challenge"])
        data = self._data(self.flags)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        made = self._credential(
            clientDataJSON=client, authenticatorData=data, signature=signature
        ) | {"clientExtensionResults": {}}
        made["response"]["userHandle"] = self.user_handle
        return made

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + bytes(4)

    def _client(self, type: str, challenge: str) -> bytes:
        origin = f"https://{self.host}"
        return json.dumps({"type": type, "challenge": challenge, "origin": origin}).encode()

    def _credential(self, **response: bytes) -> Credential:
        id = websafe_encode(self.id)
        encoded = {name: websafe_encode(value) for name, value in response.items()}
        return {"id": id, "rawId": id, "type": "public-key", "response": encoded}


def options_of(page: str) -> Any:
    """What the page asks the browser for."""
    found = re.search(r'<script id="passkey-options" type="application/json">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def add_passkey(client: Client, device: Authenticator, name: str = "Laptop") -> Any:
    """Add a passkey of the device, which the signed-in user names."""
    options = options_of(client.get(ADD).text)["creation_options"]
    form = {"name": name, "credential": json.dumps(device.create(options))}
    return client.post(ADD, form)


def sign_in(client: Client, device: Authenticator, **form: str) -> Any:
    """With the passkey alone."""
    url = "/accounts/login/passkey/"
    options = client.get(url, headers={"Accept": "application/json"}).json()["request_options"]
    return client.post(url, {"credential": json.dumps(device.get(options))} | form)
