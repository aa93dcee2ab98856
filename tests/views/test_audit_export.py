"""The download of what the history page shows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakSet

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.export import limits
from ipadmin.audit.export.csv import COLUMNS
from ipadmin.audit.export.limits import Download, TooManyDownloads
from ipadmin.audit.integrity import chain
from ipadmin.models import ApiToken, AuditLink, Outcome, User
from tests.conftest import ClientOf
from tests.page import Page
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE

URL = "/audit/export/"
CSV = {"format": "csv", "when": "all"}
JSON_LINES = {"format": "jsonl", "when": "all"}


@pytest.fixture(autouse=True)
def _downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No running downloads: some tests leave one unread."""
    monkeypatch.setattr(Download, "running", WeakSet())


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def reasons(answer: Any) -> list[str]:
    text = body(answer).decode("utf-8-sig")
    return [row["Reason"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def trace() -> list[dict[str, Any]]:
    return [seal.details or {} for seal in AuditLink.objects.filter(attempt_id=None)]


# The file


@pytest.mark.parametrize(
    ("form", "content_type", "ending"),
    [
        (CSV, "text/csv; charset=utf-8; header=present", "csv"),
        (JSON_LINES, "application/x-ndjson", "jsonl"),
    ],
)
def test_the_headers_of_the_download(
    alices: Client, entry: MakeEntry, form: dict[str, str], content_type: str, ending: str
) -> None:
    entry()
    answer = alices.post(URL, form)
    assert body(answer).count(b"\n") == 2
    assert answer["Content-Type"] == content_type
    name = rf'attachment; filename="history-\d{{4}}-\d\d-\d\dT\d{{6}}Z\.{ending}"'
    assert re.fullmatch(name, answer["Content-Disposition"])
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_exported_newest_first(alices: Client, entry: MakeEntry) -> None:
    entry(reason="older", created_at=timezone.now() - timedelta(days=400))
    entry(reason="newer")
    entry(reason="open", outcome=Outcome.PENDING)
    assert reasons(alices.post(URL, CSV)) == ["open", "newer", "older"]


def test_only_matching_entries_are_exported(alices: Client, entry: MakeEntry) -> None:
    entry(reason="hers")
    entry(reason="his", user_name="bob")
    entry(reason="failed", outcome=Outcome.FAILED)
    form = CSV | {"person": "alice", "outcome": "succeeded"}
    assert reasons(alices.post(URL, form)) == ["hers"]


def test_without_a_time_the_same_days_as_the_page(alices: Client, entry: MakeEntry) -> None:
    entry(reason="old", created_at=timezone.now() - timedelta(days=400))
    entry(reason="new")
    assert reasons(alices.post(URL, {"format": "csv"})) == ["new"]


@pytest.mark.parametrize("fraction", [0, 999_999])
def test_the_last_second_is_included(alices: Client, entry: MakeEntry, fraction: int) -> None:
    last = datetime(2026, 1, 2, 14, 5, 9, fraction, tzinfo=UTC)
    entry(reason="in it", created_at=last)
    entry(reason="after it", created_at=last.replace(microsecond=0, second=10))
    form = {"format": "csv", "since": "2026-01-02T14:05:09", "until": "2026-01-02T14:05:09"}
    assert reasons(alices.post(URL, form)) == ["in it"]


def test_the_zone_that_the_page_was_asked_in(alices: Client, entry: MakeEntry) -> None:
    entry(reason="at five", created_at=datetime(2026, 1, 2, 4, 0, tzinfo=UTC))
    form = {"format": "csv", "since": "2026-01-02T05:00", "until": "2026-01-02T05:00"}
    assert reasons(alices.post(URL, form | {"zone": "Europe/Zurich"})) == ["at five"]
    assert reasons(alices.post(URL, form | {"zone": "UTC"})) == []


def test_a_formula_is_neutralised_in_the_download(alices: Client, entry: MakeEntry) -> None:
    entry(reason="=1+1")
    assert reasons(alices.post(URL, CSV)) == ["'=1+1"]


# The trace


def test_the_export_is_recorded_with_person_and_filters(
    alices: Client, alice: User, entry: MakeEntry
) -> None:
    entry()
    answer = alices.post(URL, JSON_LINES | {"person": "alice"})
    last = json.loads(body(answer).splitlines()[-1])["export"]
    started, finished = trace()
    assert started["by"] == {
        "user_id": alice.pk,
        "user_name": "alice",
        "source_ip": "127.0.0.1",
        "request_id": answer["X-Request-Id"],
    }
    assert started["criteria"] == {"person": ["alice"]}
    assert finished == last


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_download_is_recorded_as_incomplete(alices: Client, entry: MakeEntry) -> None:
    entry()
    answer: Any = alices.post(URL, CSV)
    next(iter(answer.streaming_content))
    answer.close()
    assert [act.get("complete") for act in trace()] == [None, False]


def test_nothing_is_exported_when_the_start_cannot_be_recorded(
    alices: Client, entry: MakeEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any) -> None:
        raise DatabaseError("The disk is full.")

    entry(reason="kept in")
    works = chain.add_activity
    monkeypatch.setattr(chain, "add_activity", broken)
    answer = alices.post(URL, CSV)
    assert (answer.status_code, "Nothing was exported" in answer.text) == (503, True)
    assert "kept in" not in answer.text
    monkeypatch.setattr(chain, "add_activity", works)
    assert alices.post(URL, CSV).status_code == 200


# How many at once


@pytest.mark.django_db(transaction=True)
def test_one_export_at_a_time_for_each_user(alices: Client, bob: User, client_of: ClientOf) -> None:
    unread: Any = alices.post(URL, CSV)
    refused = alices.post(URL, CSV)
    assert (refused.status_code, refused["Retry-After"]) == (503, "60")
    assert "Your previous export is still running" in refused.text
    assert len(trace()) == 1
    assert client_of(bob).post(URL, CSV).status_code == 200
    unread.close()
    body(alices.post(URL, CSV))
    assert alices.post(URL, CSV).status_code == 200


def pieces() -> Generator[bytes]:
    yield b""


def test_the_number_of_concurrent_exports_is_limited(
    alices: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_DOWNLOADS", 2)
    others = [Download(alice.pk + number, pieces) for number in (1, 2)]
    refused = alices.post(URL, CSV)
    assert (refused.status_code, refused["Retry-After"]) == (503, "60")
    assert "Too many exports are running" in refused.text
    others.pop().close()
    assert alices.post(URL, CSV).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_begun", [True, False])
def test_a_closed_response_releases_its_slot(
    alices: Client, entry: MakeEntry, *, is_begun: bool
) -> None:
    entry()
    answer: Any = alices.post(URL, CSV)
    if is_begun:
        next(iter(answer.streaming_content))
    answer.close()
    assert alices.post(URL, CSV).status_code == 200


def test_a_download_ends_when_its_response_is_lost() -> None:
    lost = Download(1, pieces)
    with pytest.raises(TooManyDownloads):
        Download(1, pieces)
    del lost
    assert list(Download(1, pieces)) == [b""]


# What is not exported


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"since": "yesterday"}, "Since: "),
        ({"outcome": "won"}, "Outcome: "),
        ({"token": "mine"}, "Token: "),
        ({"format": "xlsx"}, "Format: "),
        ({"columns": "none"}, "Columns of CSV: "),
        ({"file_zone": "Mars"}, "Time zone of CSV: "),
        ({"person": "a\x00b"}, "Person: "),
    ],
)
def test_an_invalid_filter_exports_nothing(
    alices: Client, entry: MakeEntry, wrong: dict[str, str], said: str
) -> None:
    entry(reason="kept in")
    answer = alices.post(URL, CSV | wrong)
    assert answer.status_code == 400
    assert said in answer.text
    assert "kept in" not in answer.text
    assert trace() == []


def test_hostile_filters_are_shown_as_text(alices: Client) -> None:
    answer = alices.post(URL, CSV | {"outcome": HOSTILE})
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text


# Who


@pytest.mark.parametrize("who", ["alice", "audrey"])
def test_readers_of_the_history_may_export(
    request: pytest.FixtureRequest, client_of: ClientOf, entry: MakeEntry, who: str
) -> None:
    entry(reason="read", user_name="somebody")
    answer = client_of(request.getfixturevalue(who)).post(URL, CSV)
    assert reasons(answer) == ["read"]


@pytest.mark.parametrize("who", ["charlie", "adam"])
def test_other_roles_may_not_export(
    request: pytest.FixtureRequest, client_of: ClientOf, who: str
) -> None:
    assert client_of(request.getfixturevalue(who)).post(URL, CSV).status_code == 403
    assert trace() == []


@pytest.mark.django_db
def test_an_anonymous_export_is_redirected_to_sign_in(client: Client) -> None:
    assert client.post(URL, CSV)["Location"] == f"/accounts/login/?next={URL}"
    assert trace() == []


@pytest.mark.parametrize("method", ["put", "delete"])
def test_only_a_post_exports(alices: Client, method: str) -> None:
    assert getattr(alices, method)(URL).status_code == 405
    assert trace() == []


def test_an_export_needs_a_csrf_token(alice: User, client_of: ClientOf) -> None:
    answer = client_of(alice, enforce_csrf_checks=True).post(URL, CSV)
    assert (answer.status_code, trace()) == (403, [])


@pytest.fixture
def narrowed(settings: Settings, token: ApiToken) -> None:
    """alice sees org_1 alone."""
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True


def test_a_narrowed_operator_exports_only_own_organizations(
    narrowed: None, alices: Client, entry: MakeEntry
) -> None:
    entry(reason="ours")
    entry(reason="theirs", organization_id="org_2")
    assert reasons(alices.post(URL, CSV)) == ["ours"]
    assert reasons(alices.post(URL, CSV | {"organization": "org_2"})) == []
    assert trace()[0]["criteria"]["within"] == ["org_1"]


# On the page


def test_the_form_exports_the_filters_of_the_page(alices: Client, entry: MakeEntry) -> None:
    entry(reason="hers")
    entry(reason="his", user_name="bob")
    page = Page(alices.get("/audit/?person=alice&when=all&before=4102444800000000-1"))
    url = page.links["Export…"]
    assert url == f"{URL}?person=alice&when=all"
    form = Page(alices.get(url))
    sent = form.form("format")
    sent.pop("csrfmiddlewaretoken")
    assert sent == {
        "person": ["alice"],
        "when": ["all"],
        "format": ["csv"],
        "columns": ["short"],
        "file_zone": ["UTC"],
    }
    assert form.one('button[type="submit"][formmethod="post"]').text().strip() == "Download"
    assert reasons(alices.post(URL, sent)) == ["hers"]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_form_says_what_the_file_will_contain(
    alices: Client, entry: MakeEntry, headers: dict[str, str]
) -> None:
    entry(user_name="bob")
    entry(user_name="bob")
    entry()
    page = Page(alices.get(f"{URL}?person=bob&when=all", headers=headers))
    for said in ("2 attempts: 3 lines", "Person bob", "All time", "scripts/check_export.py"):
        assert said in page.text
    assert ("</html>" in page.html) is (not headers)


def test_the_form_of_an_invalid_filter(alices: Client) -> None:
    answer = alices.get(f"{URL}?outcome=won")
    assert (answer.status_code, "Outcome: " in answer.text) == (400, True)


def test_a_narrowed_operator_is_told_so(narrowed: None, alices: Client) -> None:
    assert "Only your own" in alices.get(URL).text


def test_all_columns_in_the_readers_zone(alices: Client, entry: MakeEntry) -> None:
    alices.cookies["timezone"] = "Asia/Tokyo"
    entry(created_at=datetime(2026, 1, 2, 22, tzinfo=UTC))
    form = Page(alices.get(f"{URL}?when=all"))
    assert [each.attributes["value"] for each in form.all("option")] == ["UTC", "Asia/Tokyo"]
    more = {"columns": "all", "file_zone": "Asia/Tokyo"}
    [row] = csv.DictReader(io.StringIO(body(alices.post(URL, CSV | more)).decode("utf-8-sig")))
    assert row["Time (Asia/Tokyo)"] == "2026-01-03T07:00:00+09:00"
    assert len(row) == len(COLUMNS)
    assert trace()[0]["time_zone"] == "Asia/Tokyo"
    assert "columns" not in trace()[0]


def test_json_lines_are_whole_and_in_utc(alices: Client, entry: MakeEntry) -> None:
    alices.cookies["timezone"] = "Asia/Tokyo"
    entry()
    usual = body(alices.post(URL, JSON_LINES)).splitlines()[0]
    more = {"columns": "short", "file_zone": "Asia/Tokyo"}
    assert body(alices.post(URL, JSON_LINES | more)).splitlines()[0] == usual


def test_an_empty_history_offers_no_export(alices: Client) -> None:
    assert URL not in alices.get("/audit/").text
