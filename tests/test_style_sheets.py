"""The style sheets: every file is linked and in a layer, every class is used somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string

ROOT = Path(__file__).resolve().parents[1]
SHEETS = {path.name: path.read_text() for path in (ROOT / "static/ipadmin/css").glob("*.css")}
LAYERS = "@layer tokens, base, layout, components, pages, print;"
# Classes that libraries set.
FOREIGN = {"errorlist", "htmx-request"}


def test_every_sheet_is_linked_once() -> None:
    links = re.findall(r"ipadmin/css/([\w-]+\.css)", render_to_string("ipadmin/_styles.html"))
    assert sorted(links) == sorted(SHEETS)
    assert links[0] == "tokens.css"


@pytest.mark.parametrize("name", SHEETS)
def test_every_rule_is_in_a_layer(name: str) -> None:
    """A rule outside of them would win over all that are inside."""
    pattern = r"(?ms)/\*.*?\*/|^@layer \w+ \{\n.*?^\}\n"
    outside = re.sub(pattern, "", SHEETS[name])
    assert outside.strip() == (LAYERS if name == "tokens.css" else "")


def test_every_class_is_used() -> None:
    css = re.sub(r"(?s)/\*.*?\*/|[\w-]+: [^{};]*;", "", "".join(SHEETS.values()))
    styled = set(re.findall(r"\.([a-z][\w-]*)", css))
    paths = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("ipadmin/**/*.py")]
    paths += ROOT.glob("static/ipadmin/*.js")
    used = set(re.findall(r"[a-z][\w-]*", "".join(path.read_text() for path in paths)))
    assert styled - used <= FOREIGN
