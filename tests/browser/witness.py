"""What must hold of everything the site sends and every page does, in whichever test."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from django.http import HttpRequest, HttpResponse
from playwright.sync_api import BrowserContext, ConsoleMessage, WebError

# The canary: it may stand in the Authorization header of our calls and nowhere a browser looks.
PLANTED = "planted0token0planted0CANARY"

# A refused resource or style is an error in the console anyway; this one says what and where.
REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", event =>
    console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""
# Browsers and htmx write each 4xx, 5xx and lost connection to the console: wanted by some tests.
EXPECTED = re.compile(
    r"Failed to load resource|Response Status Error Code|htmx:(sendError|afterRequest)"
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
    """Sees every answer of the site and every complaint of a browser."""

    answers: list[Answer] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def recording(
        self, get_response: Callable[[HttpRequest], HttpResponse]
    ) -> Callable[[HttpRequest], HttpResponse]:
        """A middleware, the outermost: what it sees is what is sent."""

        def middleware(request: HttpRequest) -> HttpResponse:
            response = get_response(request)
            body = "" if response.streaming else response.text
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
        """Fail the test if anything was seen that must never be."""
        assert not self.complaints, self.complaints
        for answer in self.answers:
            assert PLANTED not in answer.path
            assert PLANTED not in answer.body, answer.path
            # Django's own admin pages are served under the same policy, and pass it.
            if answer.is_html:
                assert inline_parts(answer.body) == [], answer.path

    def keeps_no_secret(self, context: BrowserContext) -> None:
        """Neither a cookie nor what scripts may store holds the token."""
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


def inline_parts(html: str) -> list[str]:
    """Each style or script that stands in the HTML itself."""
    finder = _InlineFinder()
    finder.feed(html)
    return finder.found


witness = Witness()
recording = witness.recording
