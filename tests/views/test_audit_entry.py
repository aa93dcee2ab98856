"""One attempt with everything that is kept of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ipadmin.models import ApiToken, AuditEntry, Outcome, User
from tests.conftest import ClientOf
from tests.page import Page
from tests.services.conftest import attempt, confirmed, seen
from tests.services.katapult import ADDRESS, IP, VM
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE, Organizations, listed

# Used by name only, as fixtures are.
__all__ = ["attempt", "confirmed", "seen"]

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READING = {
    "read_at": WHEN.isoformat(),
    "found": "other",
    "status": 200,
    "request_id": "reading-1",
    "error_code": "",
    "allocation_id": "vm_0000000000000009",
    "allocation_type": "VirtualMachine",
    "allocation_name": "db-09",
    "reverse_dns": "db-09.example.net",
}
EVERYTHING: dict[str, Any] = {
    "outcome": Outcome.FAILED,
    "sent_at": WHEN,
    "finished_at": WHEN,
    "created_at": WHEN,
    "source_ip": "198.51.100.9",
    "request_id": "our-request-1",
    "reason": "moved to a bigger machine",
    "organization_sub_domain": "acme-sub",
    "address_label": "shop",
    "vip": True,
    "last_of_family": True,
    "reverse_dns": "web-01.example.net",
    "requested_reverse_dns": "new.example.net",
    "http_status": 403,
    "error_code": "permission_denied",
    "error_description": "You may not",
    "error_detail": {"details": "ask the owner"},
    "katapult_request_id": "its-request-1",
    "rate_limit_permitted": 1000,
    "rate_limit_remaining": 981,
    "duration_us": 84_200,
    "evidence": [READING],
    "competing_attempts": [],
}


def test_the_page_of_an_entry_shows_every_field(alices: Client, entry: MakeEntry) -> None:
    made = entry(**EVERYTHING)
    answer = alices.get(made.get_absolute_url())
    assert answer.status_code == 200
    for said in (
        *("alice", "198.51.100.9", "moved to a bigger machine", "Live", "0123456789abcdef"),
        *("Acme", "acme-sub", "org_1", "SANDBOX", "http://127.0.0.1:9", ADDRESS, IP, VM),
        *(
            "web-01",
            "web-01.example.net",
            "new.example.net",
            "shop",
            "Yes",
            "403",
            "permission_denied",
        ),
        *("You may not", "ask the owner", "its-request-1", "981 of 1000 per minute", "84 ms"),
        *("our-request-1", "2026-01-02 03:04:05", "Failed", str(made.attempt_id)),
        *("reading-1", "vm_0000000000000009", "db-09", "db-09.example.net"),
    ):
        assert said in answer.text, said


def test_the_page_of_an_entry_shows_a_new_field() -> None:
    """Whoever adds one to the entry adds it to the page and to the test above."""
    shown_by_another_name = {"id", "action", "basis", "token_id", "format", "undoes", "run_id"}
    usual = {"attempt_id", "user_id", "user_name", "token_label", "token_fingerprint"}
    usual |= {"organization_id", "organization_name", "environment", "api_url", "address_id"}
    usual |= {"address", "allocation_id", "allocation_type", "allocation_name"}
    fields = {field.name for field in AuditEntry._meta.concrete_fields}
    # What an entry is searched by says nothing new.
    fields = {name for name in fields if not name.endswith("_key")}
    assert fields == EVERYTHING.keys() | usual | shown_by_another_name


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, [f"{ADDRESS} was unallocated", "Katapult confirmed the change."]),
        (
            {"basis": "evidence", "error_code": "answer_lost"},
            ["was unallocated", "The address was read as unallocated"],
        ),
        (
            {"outcome": "failed", "error_code": "permission_denied"},
            ["Katapult denied permission", "Nothing was changed."],
        ),
        (
            {"outcome": "failed", "error_code": "answer_lost", "basis": "evidence"},
            ["still allocated to virtual machine web-01", "No change was seen."],
        ),
        (
            {"outcome": "refused", "error_code": "already_unallocated"},
            ["unallocated in the meantime", "No request was sent"],
        ),
        (
            {"outcome": "refused", "error_code": "interrupted"},
            ["This site stopped, or was too slow"],
        ),
        ({"outcome": "pending"}, ["in progress", "not known yet", "Check again"]),
        (
            {"outcome": "unknown", "finished_at": None, "basis": ""},
            ["not known yet", "Do not try again yet", "Check again"],
        ),
        (
            {"outcome": "unknown", "evidence": [READING]},
            ["outcome unknown", "allocated to another resource afterwards"],
        ),
        (
            {"outcome": "unknown", "competing_attempts": ["11111111-2222-3333-4444-555555555555"]},
            ["possibly by another attempt", "11111111-2222-3333-4444-555555555555"],
        ),
    ],
)
def test_the_page_of_an_entry_explains_its_outcome(
    alices: Client, entry: MakeEntry, fields: dict[str, Any], words: list[str]
) -> None:
    text = alices.get(entry(**fields).get_absolute_url()).text
    assert [word for word in words if word not in text] == []


REFUSED = {"outcome": "refused", "error_code": "already_unallocated", "basis": "check"}
FAILED = {"outcome": "failed", "error_code": "answer_lost", "basis": "evidence"}


def test_a_competing_attempt_is_named_and_linked(alices: Client, entry: MakeEntry) -> None:
    other = entry(user_name="bob", outcome="unknown", sent_at=WHEN, created_at=WHEN)
    made = entry(**REFUSED, created_at=WHEN, competing_attempts=[str(other.attempt_id)])
    text = alices.get(made.get_absolute_url()).text
    sentence = "attempt at 03:04:05 UTC. Its outcome is not known.</a>"
    assert f'<a href="{other.get_absolute_url()}">Possibly unallocated by bob' in text
    assert sentence in text
    assert "outside this site" not in text


def test_a_competing_attempt_that_is_hidden_is_named_by_id(
    alices: Client, token: ApiToken, entry: MakeEntry, settings: Any
) -> None:
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True
    other = entry(user_name="bob", organization_id="org_2")
    made = entry(**REFUSED, competing_attempts=[str(other.attempt_id)])
    text = alices.get(made.get_absolute_url()).text
    assert str(other.attempt_id) in text
    assert "bob" not in text


def test_a_later_read_that_contradicts_the_entry_is_shown(
    alices: Client, token: ApiToken, katapult: Organizations, entry: MakeEntry
) -> None:
    made = entry(**FAILED, sent_at=timezone.now())
    katapult.listed = [listed(7, None, id=IP, address=ADDRESS)]
    assert alices.get(reverse("addresses", args=[token.id]), {"wait": 1}).status_code == 200
    text = alices.get(made.get_absolute_url()).text
    assert "(list of addresses). This request may have been carried out late" in text
    assert "No change was seen" not in text


@pytest.mark.parametrize(("fields", "is_open"), [({"outcome": "pending"}, True), ({}, False)])
def test_only_the_page_of_an_open_entry_polls(
    alices: Client, entry: MakeEntry, fields: dict[str, Any], is_open: bool
) -> None:
    text = alices.get(entry(**fields).get_absolute_url()).text
    assert ("Check again" in text, "data-open-entry" in text) == (is_open, is_open)


def test_the_sections_of_an_entry_are_in_order(alices: Client, entry: MakeEntry) -> None:
    text = alices.get(entry(**EVERYTHING).get_absolute_url()).text
    heads = ("Summary", "Evidence", "Raw JSON", "Response from Katapult", "Request", "Audit log")
    places = [text.index(f"{head}</h2>") for head in heads]
    assert places == sorted(places)


def test_an_entry_without_evidence_has_no_evidence_table(alices: Client, entry: MakeEntry) -> None:
    assert "Evidence</h2>" not in alices.get(entry().get_absolute_url()).text


def test_an_entry_links_to_the_attempts_around_it(alices: Client, entry: MakeEntry) -> None:
    made = [entry(created_at=WHEN + timedelta(hours=hours)) for hours in range(3)]
    entry(created_at=WHEN, address="192.0.2.8")
    text = alices.get(made[1].get_absolute_url()).text
    assert f'rel="prev" href="{made[2].get_absolute_url()}"' in text
    assert f'rel="next" href="{made[0].get_absolute_url()}"' in text
    assert "Newer on this address" in text


def test_an_entry_follows_the_list_that_the_reader_came_from(
    alices: Client, entry: MakeEntry
) -> None:
    def made(hours: int, **fields: Any) -> AuditEntry:
        return entry(created_at=WHEN + timedelta(hours=hours), **fields)

    bobs = [made(hours, user_name="bob", address=f"192.0.2.{hours + 1}") for hours in range(3)]
    made(1), made(2)
    listed_page = Page(alices.get("/audit/?person=bob&when=all&before=4102444800000000-1"))
    links = listed_page.values("href", ".entries tbody")
    here = next(link for link in links if str(bobs[1].attempt_id) in link)
    page = Page(alices.get(here))
    assert page.one('[rel="prev"]').attributes["href"] == here.replace(
        str(bobs[1].attempt_id), str(bobs[2].attempt_id)
    )
    assert str(bobs[0].attempt_id) in str(page.one('[rel="next"]').attributes["href"])
    assert page.one(".crumbs a").attributes["href"] == "/audit/?person=bob&when=all"


@pytest.mark.parametrize("query", ["?from=outcome%3Dwon", "?from=token%3Dx", "?from=q%3D%2500"])
def test_an_invalid_list_is_ignored(alices: Client, entry: MakeEntry, query: str) -> None:
    page = Page(alices.get(entry().get_absolute_url() + query))
    assert page.one(".crumbs a").attributes["href"] == "/audit/"


def test_a_list_shows_no_entries_of_other_organizations(
    alices: Client, token: ApiToken, entry: MakeEntry, settings: Any
) -> None:
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True
    made = entry(created_at=WHEN)
    hidden = entry(created_at=WHEN + timedelta(hours=1), organization_id="org_2")
    text = alices.get(f"{made.get_absolute_url()}?from=when%3Dall").text
    assert str(hidden.attempt_id) not in text


def test_the_only_attempt_on_an_address_has_no_neighbours(alices: Client, entry: MakeEntry) -> None:
    text = alices.get(entry().get_absolute_url()).text
    assert "Newer on" not in text
    assert "Older on" not in text


def test_an_entry_links_to_the_page_of_its_address(alices: Client, entry: MakeEntry) -> None:
    page = Page(alices.get(entry().get_absolute_url()))
    assert reverse("address_now", args=[ADDRESS]) in page.values("href", ".actions")
    page = Page(alices.get(entry(address="?").get_absolute_url()))
    assert page.values("href", ".actions") == []


def test_no_fact_of_an_entry_is_shown_three_times(alices: Client, entry: MakeEntry) -> None:
    made = entry(**EVERYTHING | {"evidence": [], "basis": "answer"})
    page = Page(alices.get(made.get_absolute_url()))
    page.one(".raw").decompose()
    for said in ("alice", "web-01.example.net", VM, "2026-01-02 03:04:05 UTC", "Failed", IP):
        shown = [text for text in page.texts("dd, h1, .lead, .outcome p") if said in text]
        assert 1 <= len(shown) <= (3 if "03:04" in said else 2), (said, shown)


def test_utc_is_not_repeated_where_it_is_the_local_time(alices: Client, entry: MakeEntry) -> None:
    url = entry(**EVERYTHING).get_absolute_url()
    seconds = {}
    for zone in ("UTC", "Europe/London", "Asia/Tokyo"):
        alices.cookies["timezone"] = zone
        seconds[zone] = len(Page(alices.get(url)).all("time.second"))
    assert seconds == {"UTC": 0, "Europe/London": 0, "Asia/Tokyo": 3}


def test_a_host_name_breaks_after_its_dots(alices: Client, entry: MakeEntry) -> None:
    text = alices.get(entry(reverse_dns="a.example.net").get_absolute_url()).text
    assert "a.<wbr>example.<wbr>net" in text
    assert 'data-copy="a.example.net"' in text


def test_the_page_of_an_entry_is_escaped(alices: Client, entry: MakeEntry) -> None:
    texts = {
        # As much of it as fits: PostgreSQL keeps no more.
        field.name: HOSTILE[: field.max_length]
        for field in AuditEntry._meta.concrete_fields
        if field.get_internal_type() == "CharField" and not field.choices
    }
    hostile: dict[str, Any] = {"outcome": "failed", "error_detail": {HOSTILE: [HOSTILE]}}
    hostile |= {
        "evidence": [READING | dict.fromkeys(READING, HOSTILE)],
        "competing_attempts": [HOSTILE],
    }
    text = alices.get(entry(**texts | hostile).get_absolute_url()).text
    assert HOSTILE[:10] not in text
    assert text.count("&lt;script&gt;") >= 20


def test_an_entry_of_an_older_version_is_shown(alices: Client, entry: MakeEntry) -> None:
    """Of evidence and detail any shape may be found."""
    made = entry(
        outcome="unknown", evidence=[{"read_at": "then", "found": "new", "error_code": ""}]
    )
    assert alices.get(made.get_absolute_url()).status_code == 200


@pytest.mark.parametrize("who", ["alice", "bob", "audrey"])
def test_readers_of_the_history_see_an_entry(
    request: pytest.FixtureRequest, client_of: ClientOf, entry: MakeEntry, who: str
) -> None:
    client = client_of(request.getfixturevalue(who))
    assert client.get(entry().get_absolute_url()).status_code == 200


def test_only_readers_of_the_history_see_an_entry(
    charlie: User, adam: User, client_of: ClientOf, entry: MakeEntry
) -> None:
    url = entry().get_absolute_url()
    assert client_of(charlie).get(url).status_code == 403
    assert client_of(adam).get(url).status_code == 403


def test_an_unknown_entry_answers_404(alices: Client) -> None:
    assert alices.get(reverse("audit_entry", args=[uuid.uuid4()])).status_code == 404
    assert alices.get("/audit/1/").status_code == 404


def test_an_entry_needs_a_sign_in(client: Client, entry: MakeEntry) -> None:
    url = entry().get_absolute_url()
    assert client.get(url)["Location"] == f"/accounts/login/?next={url}"
    assert "HX-Redirect" in client.get(url, headers=HTMX)
