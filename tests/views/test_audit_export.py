"""The download of what the history page shows."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.export.limits import NoPlace, Places
from ipadmin.audit.integrity import chain
from ipadmin.models import ApiToken, AuditLink, Outcome, User
from ipadmin.views import export as view
from tests.conftest import ClientOf
from tests.views.conftest import MakeEntry
from tests.views.katapult import HOSTILE

URL = "/audit/export/"
CSV = {"format": "csv", "when": "all"}
JSON_LINES = {"format": "jsonl", "when": "all"}
INPUT = re.compile(r'<input type="hidden" name="(.*?)" value="(.*?)">')


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    """All free: some tests leave an answer unread."""
    monkeypatch.setattr(view, "PLACES", Places(4))


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
def test_a_file_to_keep(
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


def test_newest_first(alices: Client, entry: MakeEntry) -> None:
    entry(reason="older", created_at=timezone.now() - timedelta(days=400))
    entry(reason="newer")
    entry(reason="open", outcome=Outcome.PENDING)
    assert reasons(alices.post(URL, CSV)) == ["open", "newer", "older"]


def test_what_is_asked_and_no_more(alices: Client, entry: MakeEntry) -> None:
    entry(reason="hers")
    entry(reason="his", user_name="bob")
    entry(reason="failed", outcome=Outcome.FAILED)
    form = CSV | {"person": "alice", "outcome": "succeeded"}
    assert reasons(alices.post(URL, form)) == ["hers"]


def test_without_a_time_the_same_days_as_the_page(alices: Client, entry: MakeEntry) -> None:
    entry(reason="old", created_at=timezone.now() - timedelta(days=400))
    entry(reason="new")
    assert reasons(alices.post(URL, {"format": "csv"})) == ["new"]


@pytest.mark.parametrize("fraction", [0, 1, 999_999])
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


def test_what_a_spreadsheet_would_run(alices: Client, entry: MakeEntry) -> None:
    entry(reason="=1+1")
    assert reasons(alices.post(URL, CSV)) == ["'=1+1"]


# The trace


def test_who_exported_what(alices: Client, alice: User, entry: MakeEntry) -> None:
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
def test_one_who_goes_away(alices: Client, entry: MakeEntry) -> None:
    """As the server closes an answer that nobody takes any longer."""
    entry()
    answer: Any = alices.post(URL, CSV)
    next(iter(answer.streaming_content))
    answer.close()
    assert [act.get("complete") for act in trace()] == [None, False]


def test_no_trace_no_export(
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
def test_one_at_a_time_a_person(alices: Client, bob: User, client_of: ClientOf) -> None:
    unread: Any = alices.post(URL, CSV)
    refused = alices.post(URL, CSV)
    assert (refused.status_code, refused["Retry-After"]) == (503, "60")
    assert "Your previous export is still running" in refused.text
    assert len(trace()) == 1
    assert client_of(bob).post(URL, CSV).status_code == 200
    unread.close()
    body(alices.post(URL, CSV))
    assert alices.post(URL, CSV).status_code == 200


def test_so_many_at_once(alices: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who reads nothing takes every thread."""
    places = Places(2)
    monkeypatch.setattr(view, "PLACES", places)
    held = [places.take(alice.pk + 1), places.take(alice.pk + 2)]
    refused = alices.post(URL, CSV)
    assert (refused.status_code, refused["Retry-After"]) == (503, "60")
    assert "Too many exports are running" in refused.text
    held.pop().leave()
    assert alices.post(URL, CSV).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_begun", [True, False])
def test_whoever_goes_away_leaves_their_place(
    alices: Client, entry: MakeEntry, *, is_begun: bool
) -> None:
    entry()
    answer: Any = alices.post(URL, CSV)
    if is_begun:
        next(iter(answer.streaming_content))
    answer.close()
    assert alices.post(URL, CSV).status_code == 200


def test_an_answer_that_got_lost_leaves_its_place() -> None:
    places = Places(1)
    held = places.take(1)
    held.leave()
    again = places.take(1)
    held.leave()
    with pytest.raises(NoPlace):
        places.take(2)
    del again
    assert places.take(2)


# What is not exported


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"since": "yesterday"}, "Since: "),
        ({"until": "2026-13-01"}, "Until: "),
        ({"outcome": "won"}, "Outcome: "),
        ({"environment": "nowhere"}, "Katapult: "),
        ({"token": "mine"}, "Token: "),
        ({"format": "xlsx"}, "Format: choose csv or jsonl."),
        ({"format": ""}, "Format: choose csv or jsonl."),
        ({"person": "a\x00b"}, "Person: "),
    ],
)
def test_what_is_not_understood(
    alices: Client, entry: MakeEntry, wrong: dict[str, str], said: str
) -> None:
    """To leave a filter out would export more than was asked for."""
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
def test_readers_of_the_history(
    request: pytest.FixtureRequest, client_of: ClientOf, entry: MakeEntry, who: str
) -> None:
    entry(reason="read", user_name="somebody")
    answer = client_of(request.getfixturevalue(who)).post(URL, CSV)
    assert reasons(answer) == ["read"]


@pytest.mark.parametrize("who", ["charlie", "adam"])
def test_nobody_else(request: pytest.FixtureRequest, client_of: ClientOf, who: str) -> None:
    assert client_of(request.getfixturevalue(who)).post(URL, CSV).status_code == 403
    assert trace() == []


@pytest.mark.django_db
def test_anonymous(client: Client) -> None:
    assert client.post(URL, CSV)["Location"] == f"/accounts/login/?next={URL}"
    assert trace() == []


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
def test_posts_only(alices: Client, method: str) -> None:
    assert getattr(alices, method)(URL).status_code == 405
    assert trace() == []


def test_a_form_of_somebody_elses_site(alice: User, client_of: ClientOf) -> None:
    answer = client_of(alice, enforce_csrf_checks=True).post(URL, CSV)
    assert (answer.status_code, trace()) == (403, [])


@pytest.fixture
def narrowed(settings: Settings, token: ApiToken) -> None:
    """alice sees org_1 alone."""
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True


def test_a_narrowed_operator(narrowed: None, alices: Client, entry: MakeEntry) -> None:
    entry(reason="ours")
    entry(reason="theirs", organization_id="org_2")
    assert reasons(alices.post(URL, CSV)) == ["ours"]
    assert reasons(alices.post(URL, CSV | {"organization": "org_2"})) == []
    assert trace()[0]["criteria"]["within"] == ["org_1"]


# On the page


def test_the_page_offers_what_it_shows(alices: Client, entry: MakeEntry) -> None:
    entry(reason="hers")
    entry(reason="his", user_name="bob")
    page = alices.get("/audit/?person=alice&when=all&before=4102444800000000-1").text
    form = page.split(f'action="{URL}"')[1].split("</form>")[0]
    asked = dict(INPUT.findall(form))
    asked.pop("csrfmiddlewaretoken")
    assert asked == {"person": "alice", "when": "all"}
    assert re.findall(r'formmethod="post" name="format" value="(.*?)"', form) == ["csv", "jsonl"]
    assert reasons(alices.post(URL, asked | {"format": "csv"})) == ["hers"]


def test_nothing_to_export_nothing_offered(alices: Client) -> None:
    assert URL not in alices.get("/audit/").text
