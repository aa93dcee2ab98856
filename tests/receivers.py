"""Receivers of syslog on this machine, good ones and bad ones."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Behaviour = Callable[[socket.socket, "Receiver"], None]


@dataclass
class Receiver:
    """What one connection after the other brought."""

    address: tuple[str, int]
    received: list[bytes] = field(default_factory=list)
    # Set when the test is over: until then a receiver may hang.
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def messages(self) -> list[str]:
        return [text for data in self.received for text in unframed(data)]


@contextmanager
def listening(
    behaviour: Behaviour, sock: socket.socket, context: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """A thread that takes each connection to the bound `sock`, and behaves like that to it."""
    sock.listen()
    receiver = Receiver(sock.getsockname())

    def serve() -> None:
        while True:
            try:
                connection, _address = sock.accept()
            except OSError:
                return
            connection.settimeout(10)
            # What a bad receiver does may well end in an error; that is the point.
            with suppress(OSError), connection:
                if context is None:
                    behaviour(connection, receiver)
                    continue
                with context.wrap_socket(connection, server_side=True) as secured:
                    behaviour(secured, receiver)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        thread.join()


def tcp(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, 0))
    return sock


def reads_to_the_end(connection: socket.socket, receiver: Receiver) -> None:
    receiver.received.append(b"".join(iter(lambda: connection.recv(65536), b"")))


def says_farewell(connection: socket.socket, receiver: Receiver) -> None:
    reads_to_the_end(connection, receiver)
    assert isinstance(connection, ssl.SSLSocket)
    connection.unwrap()


def answers(connection: socket.socket, receiver: Receiver) -> None:
    """Greets and thanks, which nobody asked for."""
    connection.sendall(b"ready\n")
    reads_to_the_end(connection, receiver)
    connection.sendall(b"thanks\n")


def talks_without_end(connection: socket.socket, receiver: Receiver) -> None:
    while not receiver.over.is_set():
        connection.sendall(b"x" * 65536)


def closes_at_once(connection: socket.socket, receiver: Receiver) -> None:
    """Closing comes after."""


def says_goodbye_at_once(connection: socket.socket, receiver: Receiver) -> None:
    """Its end arrives before the reset that closing on unread data makes."""
    connection.shutdown(socket.SHUT_WR)


def reads_a_little(connection: socket.socket, receiver: Receiver) -> None:
    connection.recv(10)


def resets(connection: socket.socket, receiver: Receiver) -> None:
    """Dies while it reads."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets_later(connection: socket.socket, receiver: Receiver) -> None:
    """When the sender has had reason to believe that it is welcome."""
    receiver.over.wait(0.3)
    resets(connection, receiver)


def resets_at_the_end(connection: socket.socket, receiver: Receiver) -> None:
    reads_to_the_end(connection, receiver)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def never_reads(connection: socket.socket, receiver: Receiver) -> None:
    receiver.over.wait(10)


def never_closes(connection: socket.socket, receiver: Receiver) -> None:
    reads_to_the_end(connection, receiver)
    receiver.over.wait(10)


def unframed(data: bytes) -> list[str]:
    """The messages of a stream, by their counted octets."""
    texts = []
    while data:
        count, _space, rest = data.partition(b" ")
        texts.append(rest[: int(count)].decode())
        assert len(rest) >= int(count)
        data = rest[int(count) :]
    return texts


def content(message: str) -> str:
    """What follows the header."""
    header = r"<109>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [!-~]{1,255} ip-admin \d+ audit - "
    match = re.match(header, message)
    assert match, message
    return message[match.end() :]


def certificate(folder: Path, *, host: str = "127.0.0.1") -> Path:
    """A file with a certificate for an address, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / f"{host}.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, *kind) + signed.public_bytes(pem))
    return path


def tls_context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
