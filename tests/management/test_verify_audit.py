"""The commands verify_audit and audit_checkpoint."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from ipadmin.models import AuditLink, AuditVerification, LinkKind
from tests.tampering import column, finished

pytestmark = pytest.mark.django_db


def output(*command: str) -> str:
    stream = io.StringIO()
    call_command(*command, stdout=stream)
    return stream.getvalue()


def test_an_intact_history_is_verified() -> None:
    finished()
    assert output("verify_audit") == "Verified: 2 records intact (entries: 1)\n"
    kept = AuditVerification.objects.get()
    assert kept.holds
    assert kept.user_name.endswith("on the command line")


def test_tampering_makes_it_fail_with_the_finding() -> None:
    column(finished(), "outcome", "failed")
    with pytest.raises(CommandError, match="Changed: the entry of") as raised:
        output("verify_audit")
    assert raised.value.returncode == 1
    assert AuditVerification.objects.get().finding == str(raised.value)


def test_a_printed_checkpoint_verifies() -> None:
    finished()
    checkpoint = output("audit_checkpoint").strip()
    assert checkpoint.startswith("3:")
    assert AuditLink.objects.get(pk=3).kind == LinkKind.CHECKPOINT_CREATED
    finished()
    assert output("verify_audit", "--checkpoint", checkpoint) == (
        "Verified: 5 records intact (entries: 2)\n"
    )


def test_a_checkpoint_of_another_history_makes_it_fail() -> None:
    finished()
    with pytest.raises(CommandError, match="the links after 2 are missing"):
        output("verify_audit", "--checkpoint", f"9:{'ab' * 32}")


def test_a_malformed_checkpoint_is_refused() -> None:
    with pytest.raises(CommandError, match="64 hexadecimal digits") as raised:
        output("verify_audit", "--checkpoint", "9:ab")
    assert raised.value.returncode == 2
    assert not AuditVerification.objects.exists()
