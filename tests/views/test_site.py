from __future__ import annotations

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db


def test_healthz_answers_200_when_the_site_can_serve(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert "no-store" in answer["Cache-Control"]


def test_healthz_makes_few_queries(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(2):
        client.get("/healthz")


def test_healthz_answers_head(client: Client) -> None:
    assert client.head("/healthz").status_code == 200


def test_healthz_refuses_post(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_healthz_reports_a_missing_migration(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="ipadmin", name="0002_roles").delete()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (503, b"migrations are missing\n")


def test_healthz_reports_a_missing_database(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: MigrationRecorder) -> None:
        raise OperationalError("password of the database: hush")

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", fail)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (503, b"the database does not answer\n")


def test_healthz_is_not_redirected_to_https(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 301
