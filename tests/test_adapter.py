from __future__ import annotations

import secrets

import pytest
from django.contrib import messages
from django.contrib.messages.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client, RequestFactory

from ipadmin.models import User
from tests.conftest import PASSWORD, ClientOf

LOGIN = "/accounts/login/"
LOGOUT = "/accounts/logout/"
CHANGE = "/accounts/password/change/"
pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str, password: str, page: str = LOGIN) -> int:
    return client.post(page, {"login": name, "password": password}).status_code


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_signing_in(client: Client, alice: User) -> None:
    assert client.get(LOGIN).status_code == 200
    assert sign_in(client, "alice", PASSWORD) == 302
    assert is_signed_in(client)


def test_signing_in_leads_back(client: Client, alice: User) -> None:
    answer = client.post(f"{LOGIN}?next=/audit/", {"login": "alice", "password": PASSWORD})
    assert answer["Location"] == "/audit/"


def test_signing_in_never_leads_to_another_site(client: Client, alice: User) -> None:
    page = f"{LOGIN}?next=https://evil.example.com/"
    answer = client.post(page, {"login": "alice", "password": PASSWORD})
    assert answer["Location"] == "/"


def test_a_session_lasts_a_working_day(client: Client, alice: User) -> None:
    sign_in(client, "alice", PASSWORD)
    assert client.session.get_expiry_age() == 12 * 60 * 60


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_get_the_same_message(
    client: Client, alice: User, name: str, password: str
) -> None:
    answer = client.post(LOGIN, {"login": name, "password": password})
    assert answer.status_code == 200
    assert "The username and/or password you specified are not correct." in answer.text
    assert not is_signed_in(client)


def test_an_inactive_user_gets_the_same_message(client: Client, alice: User) -> None:
    alice.is_active = False
    alice.save()
    answer = client.post(LOGIN, {"login": "alice", "password": PASSWORD})
    assert "The username and/or password you specified are not correct." in answer.text
    assert not is_signed_in(client)


def test_signing_in_with_an_email_address_fails(client: Client, alice: User) -> None:
    alice.email = "alice@example.com"
    alice.save()
    assert sign_in(client, "alice@example.com", PASSWORD) == 200


def test_guessing_a_password_is_limited(client: Client, alice: User) -> None:
    for _ in range(5):
        sign_in(client, "alice", "wrong")
    answer = client.post(LOGIN, {"login": "alice", "password": PASSWORD})
    assert not is_signed_in(client)
    assert "Too many" in answer.text


def test_signing_out_asks_first(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    assert client.get(LOGOUT).status_code == 200
    assert is_signed_in(client)
    assert client.post(LOGOUT).status_code == 302
    assert not is_signed_in(client)


def test_changing_the_password(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    assert client.get(CHANGE).status_code == 200
    new = "quite another passphrase"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post(CHANGE, form).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(new)
    assert is_signed_in(client)


@pytest.mark.parametrize(
    "new", ["short", "123456789012345", "q1w2e3r4t5y6", "Password123!", "katapult1234", PASSWORD]
)
def test_a_weak_password_is_refused(alice: User, client_of: ClientOf, new: str) -> None:
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client_of(alice).post(CHANGE, form).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_changing_the_password_needs_the_old_one(alice: User, client_of: ClientOf) -> None:
    new = "quite another passphrase"
    form = {"oldpassword": "wrong", "password1": new, "password2": new}
    client_of(alice).post(CHANGE, form)
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_only_a_signed_in_person_changes_a_password(client: Client) -> None:
    assert client.get(CHANGE)["Location"] == f"{LOGIN}?next={CHANGE}"


@pytest.mark.parametrize("path", ["signup/", "password/reset/", "email/", "confirm-email/", ""])
def test_no_other_url_of_allauth_exists(alice: User, client_of: ClientOf, path: str) -> None:
    assert client_of(alice).get(f"/accounts/{path}").status_code == 404


def test_no_account_page_offers_sign_up_or_email(client: Client) -> None:
    page = client.get(LOGIN).text.lower()
    for word in ("sign up", "signup", "forgot", "reset", "e-mail", "email"):
        assert word not in page


@pytest.mark.parametrize("path", [LOGIN, LOGOUT, CHANGE])
def test_account_pages_refuse_other_methods(alice: User, client_of: ClientOf, path: str) -> None:
    client = client_of(alice)
    if path == LOGIN:
        client.logout()
    assert client.delete(path).status_code == 405


@pytest.mark.parametrize("path", [LOGIN, LOGOUT, CHANGE])
def test_signing_in_needs_a_csrf_token(alice: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    if path != LOGIN:
        client.force_login(alice)
    assert client.post(path).status_code == 403


def test_a_message_does_not_extend_the_session(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    request = RequestFactory().get("/")
    request.COOKIES, request.session = {}, client.session
    storage = default_storage(request)
    for number in range(200):
        storage.add(messages.INFO, f"{number} {secrets.token_hex(50)}")
    storage.update(HttpResponse())
    assert not request.session.modified


def test_an_uploaded_file_is_not_kept(client: Client) -> None:
    large = SimpleUploadedFile("large", b"x" * 900_000)
    answer = client.post(LOGIN, {"login": "a", "password": "b", "file": large})
    assert answer.status_code == 200
    request = answer.wsgi_request
    assert request.POST["login"] == "a"
    assert not request.FILES
