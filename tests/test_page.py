from __future__ import annotations

import pytest

from tests.page import Page, text_of

PAGE = Page(
    """<html><body><h1 id="top">Addresses</h1>
<p role="status" class="notice">Read <b>now</b>
</p><script>var hidden</script><template><p id="top">later</p></template>
<table><thead><tr><th>Name</th></tr></thead>
<tbody><tr id="row-1"><td data-copy="a&amp;b">web.<wbr>example</td></tr></tbody></table>
<a rel="next" href="?q=1&amp;page=2">Next</a><button>Go</button>
<form><input type="hidden" name="token" value="t"><textarea name="why">
moved</textarea><input type="checkbox" name="kind" value="a" checked>
<input type="checkbox" name="kind" value="b"><button name="format" value="csv">CSV</button>
<select name="zone"><option value="">Any</option><option value="utc" selected>UTC</option></select>
<select name="day"><option value="1">1</option></select><input name="q"></form></body></html>"""
)


def test_a_page_is_read_without_markup() -> None:
    assert PAGE.text.startswith("Addresses Read now Name web.example Next")
    assert "hidden" not in PAGE.text
    assert (PAGE.ids, PAGE.rows, PAGE.notices) == (["top", "row-1"], ["web.example"], ["Read now"])
    assert (PAGE.values("data-copy", "tbody"), PAGE.buttons) == (["a&b"], ["Go", "CSV"])
    assert (PAGE.links, PAGE.link("next")) == ({"Next": "?q=1&page=2"}, "?q=1&page=2")
    assert PAGE.link("prev") == ""


def test_a_form_is_read_as_a_browser_sends_it() -> None:
    assert PAGE.form("why") == {
        "token": ["t"],
        "why": ["moved"],
        "kind": ["a"],
        "zone": ["utc"],
        "day": ["1"],
        "q": [""],
    }


def test_rows_without_their_table_are_read() -> None:
    assert text_of(Page(' <tr id="row-1"><td>a</td></tr>').one("tr#row-1 td")) == "a"


def test_one_element_must_be_the_only_one() -> None:
    with pytest.raises(AssertionError, match="2 elements match p, h1"):
        Page("<p>a</p><h1>b</h1>").one("p, h1")
