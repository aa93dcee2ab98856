"""Measures the cost of a new connection for a change: the same call over a reused and over a new
connection, with and without TLS, in milliseconds and as a share of the whole attempt.

On loopback a round trip takes no time. Over a network a new connection takes two round trips more,
one for TCP and one for the handshake of TLS 1.3.
"""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ipadmin.sandbox import Options
from ipadmin.sandbox.runner import serve
from tests.bench.stage import TOKEN, free_port, wait_for

TIMES = 200
HOST = "127.0.0.1"
CERTIFICATE = "certificate.pem"


def compare(sandbox: str, click: float) -> None:
    """Measure and print. `click` is the seconds from the confirmed form to its result, including a
    new connection without TLS."""
    print(f"\n{'a call, median in ms':<44}{'kept':>10} {'fresh':>9} {'cost':>9}  of the click")
    plain = _row("Plain connection", sandbox, trust=False, rest=click, included=True)
    with _sandbox_with_tls() as (url, trust):
        _row("TLS connection", url, trust=trust, rest=click - plain)
    print()


def _row(
    name: str, url: str, *, trust: ssl.SSLContext | bool, rest: float, included: bool = False
) -> float:
    """Print a line; return the cost of a new connection, in seconds."""
    kept, fresh = _medians(url, trust)
    cost = fresh - kept
    share = cost / (rest if included else rest + cost)
    print(f"{name:<44}{kept * 1000:10.2f} {fresh * 1000:9.2f} {cost * 1000:9.2f}  {share:12.1%}")
    return cost


def _medians(url: str, trust: ssl.SSLContext | bool) -> tuple[float, float]:
    """Seconds of a call over a reused and over a new connection, measured in turns."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    times: tuple[list[float], list[float]] = ([], [])
    none_kept = httpx.Limits(max_keepalive_connections=0)
    with (
        httpx.Client(base_url=url, headers=headers, verify=trust) as keeping,
        httpx.Client(base_url=url, headers=headers, verify=trust, limits=none_kept) as opening,
    ):
        for number in range(TIMES + 5):
            for client, taken in zip((keeping, opening), times, strict=True):
                started = time.perf_counter()
                client.get("/core/v1/users/current").raise_for_status()
                if number >= 5:  # the first ones warm up
                    taken.append(time.perf_counter() - started)
    return median(times[0]), median(times[1])


@contextmanager
def _sandbox_with_tls() -> Iterator[tuple[str, ssl.SSLContext]]:
    """The URL of a sandbox behind TLS, and a context that trusts its new certificate."""
    with tempfile.TemporaryDirectory() as name:
        _write_certificate(Path(name, CERTIFICATE))
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.connections", str(port), name]
        process = subprocess.Popen(command)
        try:
            trust = ssl.create_default_context(cafile=Path(name, CERTIFICATE))
            url = f"https://{HOST}:{port}"
            wait_for(f"{url}/_sandbox/health", verify=trust)
            yield url, trust
        finally:
            process.terminate()
            process.wait()


def _write_certificate(path: Path) -> None:
    """A key and a self-signed certificate for HOST, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))


def _serve(port: int, folder: Path) -> None:
    """Like `python -m ipadmin.sandbox`, behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / CERTIFICATE)
    serve(Options(port=port, token=TOKEN, rate_limit=1_000_000_000), context)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
