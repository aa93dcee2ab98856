"""A sandbox for each test module, reset for each test, and a client of it."""

from collections.abc import Iterator

import pytest

from ipadmin.sandbox import Sandbox
from tests.sandbox_client import Caller


@pytest.fixture(scope="module")
def _shared() -> Iterator[Sandbox]:
    with Sandbox(token="t", rate_limit=100_000) as box:
        yield box


@pytest.fixture
def box(_shared: Sandbox) -> Sandbox:
    _shared.reset()
    return _shared


@pytest.fixture
def api(box: Sandbox) -> Iterator[Caller]:
    with Caller(box) as api:
        yield api
