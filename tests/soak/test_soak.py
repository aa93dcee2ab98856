"""A short soak, on whichever database the tests run on. `make soak` does long ones."""

from __future__ import annotations

import os
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
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *options],
        cwd=ROOT,
        env=os.environ,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    last = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout
    assert last.endswith(" attempts, 4 kills, 0 differences"), done.stdout


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
