"""The documents name files and settings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
FOLDERS = ("config", "deploy", "docs", "ipadmin", "scripts", "tests")


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as Git hosts make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text())
    targets = [(document.parent / name if name else document, anchor) for name, anchor in links]
    assert [path for path, _ in targets if not path.exists()] == []
    assert [anchor for path, anchor in targets if anchor and anchor not in anchors(path)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    names = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]+)", document.read_text())
    assert [name for name in names if not [*ROOT.glob(name)]] == []


def test_every_setting_is_documented() -> None:
    sources = "".join(path.read_text() for path in ROOT.glob("config/*.py"))
    read = r'(?:env\.\w+|_list|environ\.get)\(\s*"([A-Z_]+)"'
    table = re.findall(r"^\| (`.+?) \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    documented = set(re.findall(r"`([A-Z_]+)`", "".join(table)))
    assert set(re.findall(read, sources)) - documented == set()
