"""gunicorn's settings: `gunicorn -c python:config.gunicorn config.wsgi`."""

import gc
import os
import re
from pathlib import Path

TEMPLATES = Path(__file__).parent.parent / "templates"
ICON = re.compile(r'icon[ =]"([a-z0-9-]+)"')

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '8000'}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 1)
# Requests mostly wait for Katapult, so threads are cheap. Many more than KATAPULT_MAX_CONNECTIONS,
# so that other pages are served even while the API does not answer.
worker_class = "config.worker.Worker"
threads = 40
# Seconds. Longer than LONGEST_ATTEMPT, so that a stopping server finishes its attempts.
graceful_timeout = 120
timeout = 130
# The site itself decides which proxy to trust; see TRUSTED_PROXY_COUNT.
secure_scheme_headers: dict[str, str] = {}
# Otherwise a client could set SCRIPT_NAME, the prefix of all URLs, through a proxy that forwards
# header names with underscores.
forwarder_headers = ""
# ipadmin.middleware logs the requests.
accesslog = None
control_socket_disable = True
# Loaded once, before the workers start: with a wrong configuration the server does not start.
preload_app = True


def when_ready(_server: object) -> None:
    """Before the workers start: compile templates and draw icons, which each worker would do again
    while people wait. Then the garbage collector need not look at the code of the site again and
    again, nor at every 700 objects: a page of the API is parsed in two thirds of the time."""
    from django.template.loader import get_template  # noqa: PLC0415

    from ipadmin.templatetags.icons import icon  # noqa: PLC0415

    for path in TEMPLATES.rglob("*.html"):
        get_template(path.relative_to(TEMPLATES).as_posix())
        for name in set(ICON.findall(path.read_text())):
            icon(name)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
