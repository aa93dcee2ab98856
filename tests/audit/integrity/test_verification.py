"""Verification detects what someone who can write to the database changed, and names the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from ipadmin import crypto
from ipadmin.audit import document, entries
from ipadmin.audit.counters import COUNTED_VALUES
from ipadmin.audit.integrity import chain, indexes, prunings, verification, walk
from ipadmin.audit.integrity.checkpoint import parse_checkpoint
from ipadmin.models import (
    AuditChain,
    AuditEntry,
    AuditLink,
    AuditValueCounter,
    LinkKind,
)
from tests import tampering
from tests.history import attempt
from tests.tampering import checkpoint, column, execute, finding, finished, link, opened

pytestmark = pytest.mark.django_db

only_on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="no moment of SQLite's"
)
DIGIT = "0123456789abcdef"
only_on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL takes no other types"
)


def other_value(entry: AuditEntry, name: str) -> Any:
    """Of the same type, and another."""
    field = AuditEntry._meta.get_field(name)
    value = getattr(entry, name)
    others = {
        "DateTimeField": timezone.now().replace(microsecond=1),
        "JSONField": json.dumps(["forged"]),
        "BooleanField": not value,
        "UUIDField": "0" * 31 + "1",
        "GenericIPAddressField": "198.51.100.7",
        "CharField": "forged",
    }
    kind = field.get_internal_type()
    return others[kind] if kind in others else (value or 0) + 7


FIELDS = [field.attname for field in AuditEntry._meta.concrete_fields]


def test_an_untouched_history_holds() -> None:
    finished()
    opened()
    chain.add_activity(LinkKind.CHECKPOINT_CREATED, {"by": "cron"})
    assert finding() == ""


def test_so_does_an_empty_one() -> None:
    assert finding() == ""


@pytest.mark.parametrize("name", FIELDS)
def test_a_change_of_any_field_is_found(name: str) -> None:
    finished()
    entry = finished()
    entry.refresh_from_db()
    finished()
    column(entry, name, other_value(entry, name))
    found = finding()
    assert found.startswith(("Changed", "Removed"))
    assert str(entry.attempt_id) in found
    assert "link 3" in found or "link 4" in found


@pytest.mark.parametrize("name", document.OPENING[2:])
def test_so_is_one_of_an_entry_that_is_still_open(name: str) -> None:
    entry = opened()
    column(entry, name, other_value(entry, name))
    assert finding().startswith("Changed") or name == "created_at"
    assert "when it was opened" in finding()


def test_what_changed_before_its_end_is_not_finished() -> None:
    entry = opened()
    column(entry, "user_name", "mallory")
    with pytest.raises(chain.NotSealed), transaction.atomic():
        tampering.finish(entry)
    assert "Who acted" in finding()


def test_what_was_sealed_at_its_end_alone_is_found() -> None:
    entry = tampering.unsealed(finished_at=timezone.now())
    links = [(LinkKind.FINISHED, document.values_of(entry))]
    with transaction.atomic():
        chain.add_entry_links(chain.locked_chain(), links)
    assert "finished by link 1 without having been opened" in finding()


def test_it_says_whether_the_outcome_was_changed() -> None:
    entry = finished(address="192.0.2.44")
    column(entry, "outcome", "failed")
    assert f"192.0.2.44, attempt {entry.attempt_id}" in finding()
    assert "Its outcome was changed" in finding()


@pytest.mark.parametrize(
    "name", ["duration_us", "created_at", "evidence", "user_name", "attempt_id"]
)
@only_on_sqlite
def test_what_cannot_be_read_is_found_too(name: str) -> None:
    entry = finished()
    column(entry, name, b"\xff\xfe")
    assert finding().startswith(("Changed", "Removed"))


@pytest.mark.parametrize("name", ["at", "details", "attempt_id", "digest", "key_id", "kind"])
@only_on_sqlite
def test_so_is_a_link_that_cannot_be_read(name: str) -> None:
    finished()
    link(2, name, b"{\xff")
    assert "link 2" in finding()


def test_a_removed_entry_is_found() -> None:
    entry = finished()
    finished()
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", entry.pk)
    assert finding().startswith("Removed: the entry of link 2")
    assert str(entry.attempt_id) in finding()


def test_a_pending_entry_that_vanishes_is_found() -> None:
    finished()
    entry = opened()
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", entry.pk)
    assert finding().startswith(f"Removed: attempt {entry.attempt_id} was opened by link 3")


def test_an_inserted_entry_is_found() -> None:
    finished()
    entry = tampering.unsealed(address="192.0.2.66")
    assert finding().startswith(f"Inserted: entry {entry.pk} (192.0.2.66")


def test_an_outcome_without_a_seal_is_found() -> None:
    entry = opened()
    column(entry, "finished_at", timezone.now())
    assert f"attempt {entry.attempt_id}, opened by link 1, was finished without" in finding()


def test_two_entries_exchanged_are_found() -> None:
    one, other = finished(), finished(address="192.0.2.2")
    tampering.exchange("ipadmin_auditentry", "id", one.pk, other.pk)
    assert finding().startswith("Changed")


@pytest.mark.parametrize(("one", "other"), [(2, 3), (2, 5), (1, 6)])
def test_two_links_exchanged_are_found(one: int, other: int) -> None:
    for _ in range(3):
        finished()
    tampering.exchange("ipadmin_auditlink", "sequence", one, other)
    assert finding().startswith(f"Reordered: link {one} ")


def test_an_inserted_link_is_found() -> None:
    finished()
    finished()
    execute("UPDATE ipadmin_auditlink SET sequence = -sequence - 1 WHERE sequence > 2")
    execute("UPDATE ipadmin_auditlink SET sequence = -sequence WHERE sequence < 0")
    forged = AuditLink(sequence=3, kind="finished", at=timezone.now(), key_id=key_id())
    forged.digest, forged.seal = b"d" * 32, b"m" * 32
    forged.save(force_insert=True)
    assert finding().startswith("Inserted: link 3")
    assert "is now link 4" in finding()


def key_id() -> str:
    return next(iter(crypto.audit_keys()))


def test_a_link_appended_without_the_key_is_found() -> None:
    finished()
    AuditLink.objects.create(
        sequence=3, kind="verified", at=timezone.now(), digest=document.digest({}),
        details={}, key_id=key_id(), seal=b"m" * 32,
    )  # fmt: skip
    assert finding().startswith("Changed: link 3")
    assert "without the key" in finding()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_link_is_found(number: int) -> None:
    finished()
    finished()
    execute("DELETE FROM ipadmin_auditlink WHERE sequence = %s", number)
    assert finding().startswith(f"Removed: link {number} is missing")


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 77},
        {"kind": "pruned"},
        {"attempt_id": "0" * 32},
        {"at": timezone.now()},
        {"digest": b"d" * 32},
        {"key_id": "00000000"},
        {"seal": b"m" * 32},
        {"details": '{"by": "mallory"}'},
    ],
)
def test_a_change_of_a_link_is_found(change: dict[str, Any]) -> None:
    finished()
    finished()
    ((name, value),) = change.items()
    link(2, name, value)
    assert "link 2 " in finding()


def test_a_change_of_what_was_done_to_the_history_is_found() -> None:
    chain.add_activity(LinkKind.EXPORT_FINISHED, {"entries": 3})
    link(1, "details", '{"entries": 4}')
    assert finding().startswith("Changed: the activity of link 1")


def cut_off(after: int) -> None:
    """Links and entries, and the kept head set back, as somebody thorough would."""
    gone = AuditLink.objects.filter(sequence__gt=after).values_list("attempt_id", flat=True)
    for attempt_id in AuditEntry.objects.filter(attempt_id__in=list(gone)).values_list("pk"):
        execute("DELETE FROM ipadmin_auditentry WHERE id = %s", *attempt_id)
    execute("DELETE FROM ipadmin_auditlink WHERE sequence > %s", after)


def set_back() -> None:
    last = AuditLink.objects.latest("sequence")
    AuditChain.objects.update(sequence=last.sequence, seal=last.seal)


def test_a_missing_tail_is_found_by_the_head_that_is_kept() -> None:
    finished()
    finished()
    cut_off(2)
    assert finding().startswith("Removed: the links after 2 are missing, up to link 4")


def test_or_else_by_one_that_was_recorded_elsewhere() -> None:
    finished()
    finished()
    recorded = checkpoint()
    cut_off(2)
    set_back()
    assert finding() == ""
    assert "up to link 4 of the checkpoint" in finding(recorded)


def test_even_when_others_have_grown_in_its_place() -> None:
    finished()
    finished()
    recorded = checkpoint()
    cut_off(2)
    set_back()
    finished()
    finished()
    assert finding(recorded).startswith("Changed: link 4")


def test_a_recorded_head_that_is_in_the_chain_holds() -> None:
    finished()
    recorded = checkpoint()
    finished()
    assert finding(recorded) == ""


@pytest.mark.parametrize(
    "change", [{"sequence": 1}, {"seal": b"m" * 32}, {"pruning_before": timezone.now()}]
)
def test_a_changed_head_is_found(change: dict[str, Any]) -> None:
    finished()
    AuditChain.objects.update(**change)
    assert finding().startswith("Changed: the")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("sequence", value) for value in ("x", b"x", inf, 2**63 - 1)),
        *(("seal", value) for value in ("text", 1.5, -1, 10**12)),
        ("pruning_before", "x"),
    ],
)
@only_on_sqlite
def test_so_is_one_that_cannot_be_read(name: str, value: Any) -> None:
    finished()
    execute(f"UPDATE ipadmin_auditchain SET {name} = %s", value)
    assert "the end of the chain" in finding()


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0044-03-15 12:00 BC"])
@only_on_postgresql
def test_and_one_that_lets_entries_go_until_no_moment(moment: str) -> None:
    finished()
    execute("UPDATE ipadmin_auditchain SET pruning_before = %s", moment)
    assert "allows entries to be deleted" in finding()


@pytest.mark.parametrize("value", ["x", b"x", inf, -inf, 1e300, 2.5])
@only_on_sqlite
def test_a_number_of_a_link_that_is_none_is_found(value: Any) -> None:
    finished()
    link(2, "sequence", value)
    assert finding().startswith(("Changed", "Removed", "Inserted"))


def test_a_duration_that_no_document_can_hold_is_found() -> None:
    entry = finished()
    column(entry, "duration_us", 2**60)
    assert "the entry of link 2" in finding()


def test_any_other_error_while_reading_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk.Walk, "run", lambda _walk: 1 // 0)
    assert finding() == "Changed: the chain cannot be read (ZeroDivisionError)."


def test_a_database_that_does_not_answer_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_walk: walk.Walk) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(walk.Walk, "run", locked)
    with pytest.raises(OperationalError):
        finding()


def test_a_removed_head_is_found() -> None:
    finished()
    AuditChain.objects.all().delete()
    assert finding().startswith("Removed: the row")


def test_the_first_of_several_is_named() -> None:
    for _ in range(4):
        finished()
    for number in (6, 4, 8):
        link(number, "seal", b"m" * 32)
    assert finding().startswith("Changed: link 4")


def test_links_of_older_keys_hold_as_long_as_the_keys_are_there(settings: Settings) -> None:
    old, new = settings.AUDIT_KEYS[0], crypto.generate_key()
    finished()
    settings.AUDIT_KEYS = [new, old]
    finished()
    assert finding() == ""
    settings.AUDIT_KEYS = [new]
    found = finding()
    assert found.startswith("Cannot be checked: link 1")
    settings.AUDIT_KEYS = [old]
    assert crypto.audit_keys().keys() <= set(found.replace(",", " ").split())


def test_an_entry_finished_in_another_chunk_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "LINKS_PER_CHUNK", 1)
    entry = finished()
    still_open = opened()
    assert finding() == ""
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", still_open.pk)
    assert f"attempt {still_open.attempt_id} was opened by link 3" in finding()
    column(entry, "outcome", "failed")
    assert "Its outcome was changed" in finding()


def verify_with(meanwhile: Callable[[], object]) -> verification.Result:
    """A verification during which something happens after the first link."""

    waiting = [meanwhile]

    def progress(_done: int, _total: int) -> None:
        if waiting:
            waiting.pop()()

    return verification.verify(None, progress)


def test_entries_that_are_added_meanwhile_are_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "LINKS_PER_CHUNK", 1)
    entry = opened()

    def finish_and_add() -> None:
        tampering.finish(entry)
        finished()

    result = verify_with(finish_and_add)
    assert result == verification.Result(links=1, entries=1, pruned=0, finding="")


def test_it_counts_the_entries_that_are_intact() -> None:
    finished()
    opened()
    result = verify_with(lambda: None)
    assert (result.links, result.entries, result.finding) == (3, 2, "")


def test_a_finding_fits_its_column() -> None:
    link(finished().pk and 2, "kind", "f" * 16)
    column(opened(), "reason", "x")
    execute("UPDATE ipadmin_auditentry SET address = %s", "9" * 64)
    assert len(finding()) <= 500


@pytest.mark.parametrize("text", ["12", "0:" + DIGIT * 4, "5:" + DIGIT, "x:" + DIGIT * 4])
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        parse_checkpoint(text)


def test_a_checkpoint_is_parsed_as_it_is_printed() -> None:
    assert parse_checkpoint(f" 12:{DIGIT * 4}\n") == (12, bytes.fromhex(DIGIT * 4))


def prune(before: str, gone: list[AuditEntry], sealed: list[AuditEntry] | None = None) -> None:
    """Remove some entries, and seal that `sealed` were (if not given, the same ones)."""
    for entry in gone:
        execute("DELETE FROM ipadmin_auditentry WHERE id = %s", entry.pk)
    attempts = [entry.attempt_id for entry in (gone if sealed is None else sealed)]
    links = AuditLink.objects.filter(attempt_id__in=attempts, kind=LinkKind.FINISHED)
    lines = [(link.sequence, str(link.attempt_id)) for link in links]
    digest = chain.pruned_digest(lines).hex()
    chain.add_activity(
        LinkKind.PRUNED, {"before": before, "entries": len(lines), "digest": digest, "by": {}}
    )


LATER = "2999-01-01T00:00:00.000000Z"


def test_a_sealed_pruning_may_remove_entries() -> None:
    prune(LATER, [finished(), finished()])
    prune(LATER, [finished()])
    opened()
    result = verify_with(lambda: None)
    assert result == verification.Result(links=9, entries=1, pruned=3, finding="")


def test_but_no_more_than_it_says() -> None:
    one, other = finished(), finished()
    prune(LATER, [one, other], sealed=[one])
    assert "says that it removed 1 entry, and 2 of the entries before it are missing" in finding()


def test_and_no_others() -> None:
    one, other = finished(), finished()
    prune(LATER, [one], sealed=[other])
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", other.pk)
    assert finding().startswith("Removed: the pruning of link 5")


def test_nor_what_was_not_old_enough() -> None:
    prune("2020-01-01T00:00:00.000000Z", [finished()])
    assert "no sealed pruning has removed it" in finding()


def test_nor_what_ended_after_it() -> None:
    prune(LATER, [finished()])
    entry = finished()
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", entry.pk)
    assert finding().startswith("Removed: the entry of link 5")


def test_what_was_pruned_does_not_come_back() -> None:
    entry = finished()
    prune(LATER, [entry])
    entry.save(force_insert=True)
    assert "was removed by the pruning of link 3 and is there again" in finding()


def test_a_forged_pruning_removes_nothing() -> None:
    entry = finished()
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", entry.pk)
    details = {"before": LATER, "entries": 1, "digest": "00"}
    AuditLink.objects.create(
        sequence=3, kind="pruned", at=timezone.now(), digest=document.digest(details),
        details=details, key_id=key_id(), seal=b"m" * 32,
    )  # fmt: skip
    assert finding().startswith("Removed: the entry of link 2")


def test_entries_that_are_pruned_meanwhile_are_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "LINKS_PER_CHUNK", 1)
    some = [finished(), finished()]
    result = verify_with(lambda: prune(LATER, some))
    assert (result.finding, result.pruned) == ("", 2)


def test_entries_that_are_pruned_after_they_were_read_are_no_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = [finished(), finished()]
    read = walk.Walk._stored_entries

    def read_then_prune(self: walk.Walk, links: Any) -> Any:
        stored = read(self, links)
        prune(LATER, some)
        self.prunings = prunings.Prunings(self.keys)
        return stored

    monkeypatch.setattr(walk.Walk, "_stored_entries", read_then_prune)
    assert finding() == ""


def test_a_second_entry_of_an_attempt_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of someone who has removed the unique index."""
    entry = finished()
    read_finished = walk._finished_reader()
    monkeypatch.setattr(walk, "_finished_reader", lambda: lambda *given: 2 * read_finished(*given))
    assert finding() == (
        f"Inserted: there are two entries of attempt {entry.attempt_id}. One of them was not"
        " written by IP admin."
    )


@pytest.mark.parametrize("field", COUNTED_VALUES)
def test_what_is_no_longer_found_is_found(field: str) -> None:
    finished(address="192.0.2.9")
    usual = {"organization_name": "Acme", "reverse_dns": "a.example", "outcome": "succeeded"}
    entries.add_finished([attempt(**usual, error_code="odd", user_name="bob")])
    assert finding() == ""
    AuditValueCounter.objects.filter(field=field).latest("pk").delete()
    assert "is missing from the value counters" in finding()
    assert field.removesuffix("_key") in finding()


def test_an_open_entry_hides_from_nobody() -> None:
    column(opened(), "user_name_key", "")
    assert "what it is searched by was changed" in finding()


@only_on_sqlite
def test_an_end_that_is_no_moment_is_found() -> None:
    column(opened(), "finished_at", "x")
    assert "was finished without a seal" in finding()


def test_a_link_that_is_forged_meanwhile_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "LINKS_PER_CHUNK", 1)
    finished()

    def forge() -> None:
        entry = tampering.unsealed(finished_at=timezone.now())
        AuditLink.objects.create(
            sequence=3, kind="finished", attempt_id=entry.attempt_id, at=entry.created_at,
            digest=b"d" * 32, key_id=key_id(), seal=b"m" * 32,
        )  # fmt: skip
        set_back()

    assert verify_with(forge).finding.startswith("Changed: link 3")


@only_on_sqlite
@pytest.mark.parametrize("index", ["audit_created", "audit_by_user", "link_activity"])
def test_a_row_that_is_hidden_from_an_index_is_found(index: str) -> None:
    entry = finished()
    chain.add_activity(LinkKind.CHECKPOINT_CREATED, {"by": "cron"})
    finished()
    key = f"sequence <> {3}" if index == "link_activity" else f"id <> {entry.pk}"
    tampering.hide(key, [index])
    found = finding()
    assert found.startswith("Removed")
    assert f"the index {index}" in found


@only_on_sqlite
def test_an_entry_that_is_hidden_from_all_ordering_indexes_is_named() -> None:
    finished()
    entry = finished(address="192.0.2.77")
    tampering.hide(f"id <> {entry.pk}", ["audit_created", *indexes.BY_VALUE])
    assert list(AuditEntry.objects.order_by("created_at", "id").values_list("address")) == [
        ("192.0.2.1",)
    ]
    assert f"192.0.2.77, attempt {entry.attempt_id}" in finding()


@only_on_sqlite
def test_an_entry_that_is_misplaced_in_the_order_is_found() -> None:
    entry = finished(address="192.0.2.77")
    finished()
    tampering.rebuild(
        "audit_created", '"created_at"', "(CASE id WHEN 1 THEN 1 ELSE created_at END)"
    )
    assert f"192.0.2.77, attempt {entry.attempt_id}" in finding()
