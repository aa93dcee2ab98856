"""The "What if…" panel, of the sandbox only."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.conftest import ClientOf
from tests.page import Page
from tests.services.katapult import IP
from tests.views.conftest import HTMX
from tests.views.katapult import Organizations

URL = "/what-if/"
HANG = {"scenario": "hang", "call": "unallocate"}


@pytest.fixture
def sandbox(box: Sandbox, settings: Settings) -> Sandbox:
    settings.KATAPULT_API_URL = box.url
    return box


def test_arming_and_clearing(alices: Client, sandbox: Sandbox) -> None:
    assert "Nothing is armed" in alices.get(URL).text
    answer = alices.post(URL, HANG | {"next": "/tokens/"}, follow=True)
    assert answer.redirect_chain == [(f"{URL}?next=%2Ftokens%2F", 302)]
    assert "No response, for the next request to unallocate" in Page(answer).text
    assert Page(answer).one(".crumbs a").attributes["href"] == "/tokens/"
    answer = alices.post(URL, {"clear": "yes"}, headers=HTMX)
    assert "Nothing is armed" in answer.text
    assert "</html>" not in answer.text


@pytest.mark.parametrize("form", [{}, HANG | {"scenario": "x"}, HANG | {"call": "list"}])
def test_a_form_that_the_panel_does_not_have(
    alices: Client, sandbox: Sandbox, form: dict[str, str]
) -> None:
    assert alices.post(URL, form).status_code == 400
    assert "Nothing is armed" in alices.get(URL).text


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example/"])
def test_the_way_back_stays_on_this_site(alices: Client, sandbox: Sandbox, elsewhere: str) -> None:
    assert Page(alices.get(URL, {"next": elsewhere})).all(".crumbs") == []
    assert alices.post(URL, HANG | {"next": elsewhere})["Location"] == URL


def test_a_sandbox_that_does_not_respond(alices: Client) -> None:
    assert "The sandbox does not respond" in alices.get(URL).text
    assert alices.post(URL, HANG).status_code == 200


def test_the_panel_is_in_the_menu_and_on_the_confirmation(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    confirmation = reverse("unallocate", args=[token.id, IP])
    links = Page(alices.get(confirmation)).values("href")
    assert [each for each in links if each.startswith(URL)] == [URL, f"{URL}?next={confirmation}"]


def test_a_live_site_has_no_panel(
    alices: Client, token: ApiToken, katapult: Organizations, settings: Settings
) -> None:
    settings.SANDBOX = False
    for answer in (alices.get(URL), alices.post(URL, HANG)):
        assert answer.status_code == 404
    assert URL not in alices.get(reverse("unallocate", args=[token.id, IP])).text


def test_only_operators_arm_faults(audrey: User, client_of: ClientOf) -> None:
    assert client_of(audrey).post(URL, HANG).status_code == 403
    assert URL not in client_of(audrey).get("/audit/").text
