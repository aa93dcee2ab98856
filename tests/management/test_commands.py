from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from pytest_django import Settings

from ipadmin import crypto
from ipadmin.adapter import MfaAdapter
from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Exchange, Organization, Secret
from ipadmin.management.commands import prepare_demo
from ipadmin.models import ApiToken, AuditLink, User
from ipadmin.services import tokens
from tests.conftest import ClientOf

TOKEN = "a-token-of-the-sandbox"


def output(*command: str) -> str:
    stream = io.StringIO()
    call_command(*command, stdout=stream)
    return stream.getvalue()


def kept(owner: User, label: str, text: str) -> ApiToken:
    token = ApiToken(owner=owner, label=label)
    token.encrypt_secret(Secret(text))
    token.save()
    return token


def test_generated_keys_are_keys() -> None:
    lines = dict(line.split("=", 1) for line in output("generate_keys", "--print").splitlines())
    assert list(lines) == ["SECRET_KEY", "TOKEN_ENCRYPTION_KEYS", "AUDIT_KEYS"]
    assert len(lines["SECRET_KEY"]) >= 50
    for name in ("TOKEN_ENCRYPTION_KEYS", "AUDIT_KEYS"):
        assert len(crypto.decode_key(lines[name])) == 32


def test_generated_keys_are_new_each_time() -> None:
    assert output("generate_keys", "--print") != output("generate_keys", "--print")


def test_keys_are_written_to_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert "SECRET_KEY" in output("generate_keys", "--file", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert [line.partition("=")[0] for line in file.read_text().splitlines()] == [
        "SECRET_KEY",
        "TOKEN_ENCRYPTION_KEYS",
        "AUDIT_KEYS",
    ]


def test_keys_are_added_to_a_file_that_has_none(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.touch(0o640)
    file.write_text("ALLOWED_HOSTS=ip.example.com")
    output("generate_keys", "--file", str(file))
    assert file.read_text().startswith("ALLOWED_HOSTS=ip.example.com\nSECRET_KEY=")


def test_existing_keys_are_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.touch(0o600)
    file.write_text("AUDIT_KEYS=kept\n")
    with pytest.raises(CommandError, match="has AUDIT_KEYS already"):
        output("generate_keys", "--file", str(file))
    assert file.read_text() == "AUDIT_KEYS=kept\n"


def test_keys_are_not_written_to_a_file_that_others_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.touch()
    file.chmod(0o644)
    with pytest.raises(CommandError, match="can be read by others"):
        output("generate_keys", "--file", str(file))
    assert file.read_text() == ""


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        output("generate_keys", "--file", str(tmp_path / "missing" / ".env"))


def test_rotating_encrypts_with_the_newest_key(alice: User, settings: Settings) -> None:
    old, new = crypto.generate_key(), crypto.generate_key()
    settings.TOKEN_ENCRYPTION_KEYS = [old]
    token = kept(alice, "first", TOKEN)
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]
    assert output("rotate_token_keys").startswith("1 encrypted with the newest key.")
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    token.refresh_from_db()
    assert token.decrypt_secret() == Secret(TOKEN)


def test_rotating_includes_refresh_tokens(alice: User, settings: Settings) -> None:
    """A connection would end with the old key."""
    new = crypto.generate_key()
    token = kept(alice, "kept", TOKEN)
    token.encrypt_refresh_token(Secret("refresh"))
    token.save()
    settings.TOKEN_ENCRYPTION_KEYS = [new, *settings.TOKEN_ENCRYPTION_KEYS]
    output("rotate_token_keys")
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    token.refresh_from_db()
    assert token.decrypt_refresh_token() == Secret("refresh")


def test_rotating_names_and_leaves_tokens_that_cannot_be_decrypted(
    alice: User, settings: Settings
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [crypto.generate_key()]
    lost = kept(alice, "lost", TOKEN)
    before = bytes(lost.encrypted_secret)
    settings.TOKEN_ENCRYPTION_KEYS = [crypto.generate_key()]
    text = output("rotate_token_keys")
    assert f"{lost.pk} cannot be decrypted" in text
    assert "no longer needed" not in text
    lost.refresh_from_db()
    assert bytes(lost.encrypted_secret) == before


def test_rotating_covers_refresh_tokens_factors_and_sessions(
    alice: User, settings: Settings, client_of: ClientOf
) -> None:
    old, new = crypto.generate_key(), crypto.generate_key()
    settings.TOKEN_ENCRYPTION_KEYS = [old]
    token = kept(alice, "first", TOKEN)
    token.encrypt_refresh_token(Secret("refresh"))
    token.save()
    factor = Authenticator.objects.create(
        user=alice, type="totp", data={"secret": MfaAdapter().encrypt("SEED")}
    )
    browser = client_of(alice)
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]
    text = output("rotate_token_keys")
    assert text.startswith("3 encrypted with the newest key.")
    assert "Second factor: 1 under key" in text
    # What is done is not done again.
    assert output("rotate_token_keys").startswith("0 encrypted")
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    token.refresh_from_db()
    factor.refresh_from_db()
    assert token.decrypt_refresh_token() == Secret("refresh")
    assert MfaAdapter().decrypt(factor.data["secret"]) == "SEED"
    assert browser.get("/").status_code == 302
    assert "login" not in browser.get("/")["Location"]
    assert AuditLink.objects.filter(kind="keys_rotated").count() == 2


def test_rotating_goes_on_after_it_was_stopped(
    alice: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = crypto.generate_key(), crypto.generate_key()
    settings.TOKEN_ENCRYPTION_KEYS = [old]
    for number in range(3):
        kept(alice, f"number {number}", f"{TOKEN}-{number}")
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]
    encrypt = ApiToken.encrypt_secret
    done: list[ApiToken] = []

    def stop_at_the_second(token: ApiToken, secret: Secret) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(token)
        encrypt(token, secret)

    with monkeypatch.context() as stopped:
        stopped.setattr(ApiToken, "encrypt_secret", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            output("rotate_token_keys")
    assert output("rotate_token_keys").startswith("2 encrypted")


@pytest.fixture
def demo(db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Prepare a demo whose sandbox takes every token."""

    def add(*, owner: User, label: str, secret: Secret) -> ApiToken:
        return kept(owner, label, secret.reveal())

    def choose(token: ApiToken, organization: Organization) -> None:
        token.organization_id = organization.id
        token.save()

    found = (Organization("org_1", "One", "one"), Organization("org_2", "Two", "two"))
    monkeypatch.setattr(tokens, "add", add)
    monkeypatch.setattr(tokens, "organizations", lambda _token: found)
    monkeypatch.setattr(tokens, "choose_organization", choose)
    monkeypatch.setenv("SANDBOX_TOKEN", TOKEN)

    def prepare(password: str, given: str = "") -> str:
        monkeypatch.setenv("DEMO_PASSWORD", password)
        monkeypatch.setenv("DEMO_PASSWORD_GIVEN", given)
        return output("prepare_demo")

    return prepare


def test_the_demo_has_a_user_of_each_role(demo: Callable[..., str]) -> None:
    assert demo("a password") == ""
    roles = {user.username: user.groups.get().name for user in User.objects.all()}
    assert roles == {"operator": "operator", "auditor": "auditor", "admin": "administrator"}
    assert not User.objects.filter(is_superuser=True).exists()
    [token] = ApiToken.objects.all()
    assert (token.owner.username, token.organization_id) == ("operator", "org_2")


def test_a_second_start_keeps_changed_users(demo: Callable[..., str]) -> None:
    demo("a password")
    operator = User.objects.get(username="operator")
    operator.set_password("my own")
    operator.save()
    ApiToken.objects.update(label="renamed")
    assert "were changed: operator." in demo("a password")
    operator.refresh_from_db()
    assert operator.check_password("my own")
    assert ApiToken.objects.get().label == "renamed"


def test_a_given_demo_password_is_used(demo: Callable[..., str]) -> None:
    demo("a password")
    demo("another", given="true")
    assert User.objects.get(username="operator").check_password("another")


def test_no_sample_users_outside_the_sandbox(demo: Callable[..., str], settings: Settings) -> None:
    settings.SANDBOX = False
    with pytest.raises(CommandError, match="for the sandbox"):
        demo("a password")
    assert not User.objects.exists()


def test_without_a_password_there_are_no_demo_users(demo: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="DEMO_PASSWORD"):
        demo("")


def test_a_sandbox_that_does_not_answer_is_reported(
    demo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_arguments: object) -> ApiToken:
        raise KatapultError("no answer", Exchange("GET", "/users/current", 0.1))

    monkeypatch.setattr(tokens, "add", fail)
    monkeypatch.setattr(prepare_demo, "SANDBOX_START_SECONDS", 0)
    with pytest.raises(CommandError, match="sandbox"):
        demo("a password")
