"""The files under deploy/, checked by the programs that read them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

DEPLOY = settings.BASE_DIR / "deploy"


def program(name: str) -> str:
    """The path of a program, also of one that only root's PATH has; skips the test without it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command: str | Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["ip-admin-web.service", "ip-admin-worker.service"])
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    verify = program("systemd-analyze")
    installed = str(Path(sys.executable).parent)
    unit = tmp_path / name
    unit.write_text((DEPLOY / name).read_text().replace("/srv/ip-admin/.venv/bin", installed))
    run(verify, "verify", unit)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ip.example.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    ).sign(key, hashes.SHA256())
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    chain, private = folder / "fullchain.pem", folder / "privkey.pem"
    chain.write_bytes(made.public_bytes(pem))
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    return chain, private


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    nginx = program("nginx")
    chain, private = certificate(tmp_path)
    server = (DEPLOY / "nginx.conf").read_text()
    server = server.replace("/etc/ssl/ip-admin/fullchain.pem", str(chain))
    server = server.replace("/etc/ssl/ip-admin/privkey.pem", str(private))
    # Ports that need no root, should the test run without it.
    server = server.replace(":80;", ":8080;").replace(" 80;", " 8080;")
    server = server.replace(":443 ssl", ":8443 ssl").replace(" 443 ssl", " 8443 ssl")
    paths = "".join(
        f"{use}_temp_path {tmp_path}/{use};\n"
        for use in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = tmp_path / "whole.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{paths}{server}}}\n")
    run(nginx, "-t", "-e", tmp_path / "error.log", "-c", whole)
