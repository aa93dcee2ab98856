"""gunicorn's settings: `gunicorn -c python:config.gunicorn config.wsgi`."""

import os

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
