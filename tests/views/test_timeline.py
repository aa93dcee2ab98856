"""The timeline of an address: attempts, changes in between, and who had it at a moment."""

# Pytest passes them by name.
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ipadmin.models import ApiToken, AuditEntry
from ipadmin.sandbox import Sandbox
from tests.sandbox_client import some
from tests.services.katapult import ADDRESS, OTHER_VM
from tests.views.conftest import HTMX, PLANTED, MakeEntry
from tests.views.katapult import HOSTILE, Organizations

URL = reverse("address_timeline", args=[ADDRESS])
NOW = reverse("address_now", args=[ADDRESS])
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def taken(entry: MakeEntry) -> AuditEntry:
    """Unallocated at noon."""
    return at(entry, 0)


def at(entry: MakeEntry, hours: float, **fields: Any) -> AuditEntry:
    when = NOON + timedelta(hours=hours)
    times = {"created_at": when, "sent_at": when, "finished_at": when + timedelta(seconds=1)}
    return entry(**times | fields)


# The timeline


def test_the_timeline_has_every_attempt(
    alices: Client, entry: MakeEntry, taken: AuditEntry
) -> None:
    refused = at(entry, 1, user_name="bob", outcome="failed", error_code="permission_denied")
    other = at(entry, 2, address="192.0.2.8")
    text = alices.get(URL).text
    for said in ("bob", "Katapult denied permission", "web-01", "2026-01-02 12:00:00 UTC"):
        assert said in text
    assert text.index(refused.get_absolute_url()) < text.rindex(taken.get_absolute_url())
    assert other.get_absolute_url() not in text


def test_the_timeline_of_an_address_without_attempts(alices: Client, token: ApiToken) -> None:
    text = alices.get(URL).text
    assert "No attempts on this address" in text


def test_a_change_between_attempts_is_shown(
    alices: Client, entry: MakeEntry, taken: AuditEntry
) -> None:
    at(entry, 1, allocation_id=OTHER_VM, allocation_name="db-3")
    text = alices.get(URL).text
    assert "timeline-change" in text
    assert "outside this site" in text
    assert "it was allocated to <strong>db-3</strong>" in text


def test_without_a_change_between_attempts_none_is_shown(
    alices: Client, entry: MakeEntry, taken: AuditEntry
) -> None:
    at(entry, -1, outcome="failed")
    assert "outside this site" not in alices.get(URL).text


def test_the_timeline_says_what_is_not_known(alices: Client, entry: MakeEntry) -> None:
    at(entry, 0, outcome="unknown")
    at(entry, 1, allocation_id="", allocation_type="", allocation_name="")
    text = alices.get(URL).text
    assert "Its state afterwards is not known." in text
    assert "whose outcome is not known, or outside this site" in text


def test_a_long_timeline_is_paged(
    alices: Client, entry: MakeEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipadmin.audit.search.timeline.PER_PAGE", 2)
    made = [at(entry, hours) for hours in range(3)]
    first = alices.get(URL).text
    older = first.split('rel="next" href="')[1].split('"')[0]
    second = alices.get(URL + older).text
    pages = [each.split('class="timeline"')[1] for each in (first, second)]
    shown = [[entry.get_absolute_url() in page for entry in made] for page in pages]
    assert shown == [[False, True, True], [True, False, False]]
    assert 'rel="prev"' in second


@pytest.mark.parametrize("page", ["?before=x", "?after=1-1", "?before=99999999999999999-1"])
def test_an_invalid_cursor_is_the_first_page_of_the_timeline(
    alices: Client, taken: AuditEntry, page: str
) -> None:
    assert alices.get(URL + page).status_code == 200


def test_ids_are_named_where_they_differ(alices: Client, entry: MakeEntry) -> None:
    at(entry, 0, address_id="ip_older", environment="live", api_url="https://api.katapult.io")
    at(entry, 1)
    text = alices.get(URL).text
    assert "ip_older" in text
    assert 'data-environment="live">LIVE' in text


# The address


@pytest.mark.parametrize("address", ["x", "185.44.", "192.0.2.0/24", "192.0.2.07", "1.2.3", ":"])
def test_the_timeline_of_an_invalid_address_answers_404(alices: Client, address: str) -> None:
    assert alices.get(f"/addresses/{address}/").status_code == 404
    assert alices.get(f"/addresses/{address}/timeline/").status_code == 404


@pytest.mark.parametrize("tab", ["", "timeline/", "attempts/"])
def test_each_tab_redirects_to_the_canonical_address(
    alices: Client, entry: MakeEntry, tab: str
) -> None:
    at(entry, 0, address="2001:DB8::7")
    answer = alices.get(f"/addresses/2001:0DB8::7/{tab}?at=2026-01-02")
    assert answer["Location"] == f"/addresses/2001:db8::7/{tab}?at=2026-01-02"
    assert "Acme" in alices.get(answer["Location"]).text


# Who had it at this moment


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-01-02T11:00:00", "this site first read the address later"),
        ("2026-01-02T12:00:00", "allocated to <strong>web-01</strong>"),
        ("2026-01-02T13:00:00", "did not see what happened in between"),
        ("2026-01-03T13:00:00", "This site has not read it since"),
        ("2026-01-02", "this site first read the address later"),
        ("2099-01-02T11:00:00", "(in the future)"),
    ],
)
def test_the_timeline_says_who_held_the_address(
    alices: Client, entry: MakeEntry, taken: AuditEntry, moment: str, words: str
) -> None:
    at(entry, 2, allocation_id=OTHER_VM, allocation_name="db-3")
    text = alices.get(URL, {"at": moment, "zone": "UTC"}).text
    assert words in text.split('id="lookup"')[1].split("</section>")[0]


def test_the_timeline_is_in_the_readers_zone(alices: Client, taken: AuditEntry) -> None:
    alices.cookies["timezone"] = "Asia/Tokyo"
    text = alices.get(URL, {"at": "2026-01-02T21:00:01", "zone": "Asia/Tokyo"}).text
    assert "At <time" in text
    assert 'value="2026-01-02T21:00:01"' in text
    assert "<strong>unallocated</strong>: it was read in that second" in text


@pytest.mark.parametrize("moment", ["", "then", "2026-13-01", "0001-01-01T00:00:00"])
def test_an_invalid_time_of_a_lookup_is_explained(
    alices: Client, taken: AuditEntry, moment: str
) -> None:
    text = alices.get(URL, {"at": moment}).text
    assert 'class="errorlist"' in text
    assert taken.get_absolute_url() in text


def test_the_holder_of_an_unknown_address_is_not_known(alices: Client) -> None:
    assert "this site has never seen the address" in alices.get(URL, {"at": "2026-01-02"}).text


# Who may


@pytest.mark.parametrize("url", [URL, NOW])
def test_operators_may_be_narrowed_to_their_own(
    alices: Client, token: ApiToken, entry: MakeEntry, settings: Settings, url: str
) -> None:
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True
    other = at(entry, 0, organization_id="org_2", organization_name="Brook")
    answer = alices.get(url, {"at": "2026-01-03"})
    assert other.get_absolute_url() not in answer.text
    assert "Brook" not in answer.text


def test_the_timeline_is_escaped(
    alices: Client, token: ApiToken, katapult: Organizations, entry: MakeEntry
) -> None:
    texts = dict.fromkeys(("user_name", "reason", "allocation_name", "organization_name"), HOSTILE)
    at(entry, 0, **texts, outcome="unknown")
    at(entry, 1, outcome="failed", error_code="x", error_description=HOSTILE, **texts)
    katapult.more = {"reverse_dns": HOSTILE, "allocation_type": HOSTILE, "allocation_id": HOSTILE}
    texts_shown = alices.get(URL, {"at": "2026-01-02T12:30:00"}).text
    texts_shown += alices.get(NOW).text
    texts_shown += alices.get(reverse("address_attempts", args=[ADDRESS])).text
    assert HOSTILE[:10] not in texts_shown
    assert texts_shown.count("&lt;script&gt;") > 8
    assert PLANTED not in texts_shown


def test_the_timeline_reads_the_sandbox(
    alices: Client, token: ApiToken, box: Sandbox, entry: MakeEntry
) -> None:
    found = some(box)
    at(entry, 0, address=found["address"], address_id=found["id"])
    url = reverse("address_now", args=[found["address"]])
    assert found["reverse_dns"] in alices.get(url, headers=HTMX).text
