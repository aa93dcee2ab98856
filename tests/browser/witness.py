"""Checks of all responses and console messages, in every browser test."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from django.http import HttpRequest, HttpResponse
from playwright.sync_api import BrowserContext, ConsoleMessage, WebError

# The token. It may only be in the Authorization header of calls to the API.
PLANTED = "planted0token0planted0CANARY"

# The browser reports each violation as a console error; this one adds the URL and the file.
REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", event =>
    console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""
# Console messages for status 4xx, 5xx, lost connections and replaced requests, as tests cause them.
EXPECTED = re.compile(
    r"Failed to load resource|Response Status Error Code|htmx:(sendError|sendAbort|afterRequest)"
)


@dataclass(frozen=True)
class Answer:
    path: str
    status: int
    type: str
    body: str

    @property
    def is_html(self) -> bool:
        return self.type.startswith("text/html")


@dataclass
class Witness:
    """Records all responses of the site, and all errors and warnings of the browsers."""

    answers: list[Answer] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def recording(
        self, get_response: Callable[[HttpRequest], HttpResponse]
    ) -> Callable[[HttpRequest], HttpResponse]:
        """A middleware, to be the outermost."""

        def middleware(request: HttpRequest) -> HttpResponse:
            response = get_response(request)
            body = "" if response.streaming else text_of(response)
            type_ = response.headers.get("Content-Type", "")
            path = request.get_full_path() + response.headers.get("Location", "")
            self.answers.append(Answer(path, response.status_code, type_, body))
            return response

        return middleware

    def watch(self, context: BrowserContext) -> None:
        def heard(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not EXPECTED.search(message.text):
                self.complaints.append(message.text)

        def broke(error: WebError) -> None:
            self.complaints.append(str(error.error))

        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", heard)
        context.on("weberror", broke)

    def begin(self) -> None:
        self.answers.clear()
        self.complaints.clear()

    def testify(self) -> None:
        """Fail the test for a token in a response, inline scripts or styles, and console errors."""
        assert not self.complaints, self.complaints
        for answer in self.answers:
            assert PLANTED not in answer.path
            assert PLANTED not in answer.body, answer.path
            if answer.is_html:
                assert inline_parts(answer.body) == [], answer.path

    def keeps_no_secret(self, context: BrowserContext) -> None:
        """Fail the test for a token in a cookie, a URL or the storage of scripts."""
        assert PLANTED not in str(context.storage_state())
        for page in context.pages:
            assert PLANTED not in page.url
            if page.url.startswith("http"):
                assert PLANTED not in page.evaluate("JSON.stringify(sessionStorage)")


class _InlineFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_data = (given.get("type") or "").endswith("json")
        if tag == "style" or (tag == "script" and not given.get("src") and not is_data):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in given if re.match(r"style$|on|hx-on", name)]


def text_of(response: HttpResponse) -> str:
    """The body, which may be compressed."""
    if response.headers.get("Content-Encoding") == "gzip":
        return gzip.decompress(response.content).decode()
    return response.text


def inline_parts(html: str) -> list[str]:
    """The inline styles and scripts of an HTML page."""
    finder = _InlineFinder()
    finder.feed(html)
    return finder.found


witness = Witness()
recording = witness.recording
