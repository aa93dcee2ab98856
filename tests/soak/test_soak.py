"""A short soak, on whichever database the tests run on. `make soak` does long ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.conf import settings

from tests.soak.forms import find_form
from tests.soak.processes import ROOT


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_no_attempt_is_lost_and_no_entry_lies() -> None:
    kind = "sqlite" if "sqlite" in settings.DATABASES["default"]["ENGINE"] else "postgresql"
    options = ["--attempts=60", "--kills=4", "--operators=6", f"--db={kind}"]
    soak = subprocess.Popen(
        [sys.executable, "-m", "tests.soak", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = soak.communicate(timeout=200)
    finally:
        # SIGTERM, and not what pytest's own timeout does: it has processes to end.
        soak.terminate()
        soak.wait(20)
    last = said.strip().splitlines()[-1]
    assert soak.returncode == 0, said
    assert last.endswith(" attempts, 4 kills, 0 differences"), said


def test_a_form_is_read_as_a_browser_sees_it() -> None:
    page = """
        <form action="/other/"><input name="q"></form>
        <form action="/here/" hx-post="/here/?table=1">
          <input type="hidden" name="confirmation" value="a&amp;b"><input name="reason">
        </form><input name="outside">
    """
    form = find_form(page, "confirmation")
    assert form
    assert (form.action, form.hx_post) == ("/here/", "/here/?table=1")
    assert form.fields == {"confirmation": "a&b", "reason": ""}
    assert find_form(page, "outside") is None
