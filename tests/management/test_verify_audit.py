"""The history on the command line: verified, its head printed, its beginning sealed."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from ipadmin.models import AuditLink, AuditVerification, LinkKind
from tests.tampering import column, finding, finished, unsealed

pytestmark = pytest.mark.django_db


def output(*command: str) -> str:
    stream = io.StringIO()
    call_command(*command, stdout=stream)
    return stream.getvalue()


def test_it_says_that_all_holds() -> None:
    finished()
    assert output("verify_audit") == "2 links, 1 entry: all hold\n"
    kept = AuditVerification.objects.get()
    assert kept.holds
    assert kept.user_name.endswith("on the command line")


def test_it_fails_with_what_it_found() -> None:
    column(finished(), "outcome", "failed")
    with pytest.raises(CommandError, match="Changed: the entry of") as raised:
        output("verify_audit")
    assert raised.value.returncode == 1
    assert AuditVerification.objects.get().finding == str(raised.value)


def test_a_head_is_printed_that_verifies() -> None:
    finished()
    head = output("audit_checkpoint").strip()
    assert head.startswith("3:")
    assert AuditLink.objects.get(pk=3).kind == LinkKind.CHECKPOINT_CREATED
    finished()
    assert output("verify_audit", "--head", head) == "5 links, 2 entries: all hold\n"


def test_a_head_of_another_history_does_not() -> None:
    finished()
    with pytest.raises(CommandError, match="the links after 2 are missing"):
        output("verify_audit", "--head", f"9:{'ab' * 32}")


def test_a_head_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="64 hexadecimal digits") as raised:
        output("verify_audit", "--head", "9:ab")
    assert raised.value.returncode == 2
    assert not AuditVerification.objects.exists()


def test_the_old_history_is_sealed_once() -> None:
    unsealed(finished_at=timezone.now())
    unsealed()
    said = "Entries sealed as they were found, and counted: 1. Open ones sealed: 1.\n"
    assert output("seal_history") == said
    assert output("seal_history") == said.replace("1", "0")
    assert finding() == ""


def test_it_says_what_it_leaves() -> None:
    finished()
    unsealed(finished_at=timezone.now())
    with pytest.raises(CommandError, match="left without a seal: 1"):
        output("seal_history")
