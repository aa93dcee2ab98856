"""HTTP endpoints on this machine that receive batches, and answer them well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Receiver(ThreadingHTTPServer):
    """Keeps the documents of each batch. `behaviours` are those for the next ones, then `usual`."""

    daemon_threads = True

    def __init__(self, usual: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.usual = usual
        self.batches: list[list[dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.behaviours: list[Behaviour] = []
        # Set at the end of the test: until then an answer may wait.
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/audit"

    @property
    def ids(self) -> list[str]:
        return [document["event"]["id"] for batch in self.batches for document in batch]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.headers.append(dict(self.headers))
        behave = self.server.behaviours.pop(0) if self.server.behaviours else self.server.usual
        behave(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Not to stderr."""

    def keep(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert body.endswith(b"\n")
        self.server.batches.append([json.loads(line) for line in body.splitlines()])

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


Behaviour = Callable[[Handler], None]


def accept(handler: Handler) -> None:
    handler.keep()
    handler.answer(200)


def answer_with(status: int, **headers: str) -> Behaviour:
    """Read the batch, and keep none of it."""

    def behave(handler: Handler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.answer(status, **headers)

    return behave


def die_while_reading(handler: Handler) -> None:
    handler.rfile.read(10)
    handler.connection.close()


def die_before_the_answer(handler: Handler) -> None:
    handler.keep()
    handler.close_connection = True


def never_answer(handler: Handler) -> None:
    handler.keep()
    handler.server.is_over.wait(10)


def answer_half(handler: Handler) -> None:
    handler.keep()
    handler.wfile.write(b"HTTP/1.1 20")
    handler.close_connection = True


@contextmanager
def receiving(usual: Behaviour = accept) -> Iterator[Receiver]:
    receiver = Receiver(usual)
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.is_over.set()
        receiver.shutdown()
        receiver.server_close()
        thread.join()


def certificate(folder: Path) -> Path:
    """A file with a self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kind = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, kind, serialization.NoEncryption())
    path = folder / "receiver.pem"
    path.write_bytes(private + signed.public_bytes(pem))
    return path
