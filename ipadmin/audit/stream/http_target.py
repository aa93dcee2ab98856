"""Batches of JSON lines, posted to an HTTP endpoint.

Each batch has a connection of its own: batches are rare, and an idle connection can be lost.
"""

from __future__ import annotations

import ssl

import httpx

CONNECT_SECONDS = 5.0
# The longest pause while the batch is sent, and until the answer begins.
ANSWER_SECONDS = 15.0


def post(url: str, body: bytes, authorization: str) -> str:
    """Post a batch. The empty text when the answer is 2xx, otherwise the reason why not.

    Redirects are not followed, so that the header goes to no other host. The body of the answer is
    not read. The certificates of the system decide whom to trust.
    """
    headers = {"Content-Type": "application/x-ndjson", "User-Agent": "ip-admin"}
    if authorization:
        headers["Authorization"] = authorization
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    context = ssl.create_default_context()
    try:
        with (
            httpx.Client(verify=context, trust_env=False, timeout=timeout) as http,
            http.stream("POST", url, content=body, headers=headers) as answer,
        ):
            return "" if answer.is_success else f"it answered with status {answer.status_code}"
    except httpx.ConnectError as error:
        return f"it cannot be reached ({error})"
    except httpx.TimeoutException:
        return "it did not answer in time"
    except httpx.HTTPError:
        # Without the text of the exception, which can quote a header.
        return "the connection ended before its answer"
