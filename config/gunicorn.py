"""How gunicorn serves the site: `gunicorn -c python:config.gunicorn config.wsgi`."""

import os

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '8000'}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 1)
# A click waits for Katapult most of its time: threads wait together at next to no cost. Many more
# than KATAPULT_MAX_CONNECTIONS, so that a stuck API leaves some for every other page.
worker_class = "gthread"
threads = 40
# A stopping server lets an attempt end and its outcome be written: longer than the longest attempt.
graceful_timeout = 120
timeout = 130
# The site itself decides which proxy to believe; see TRUSTED_PROXY_COUNT.
secure_scheme_headers: dict[str, str] = {}
# Otherwise a client whose proxy passes underscores on could name SCRIPT_NAME, which stands before
# each URL we write.
forwarder_headers = ""
# Each request is logged by ipadmin.middleware. Nothing but signals steers the server.
accesslog = None
control_socket_disable = True
# Loaded once, before workers are made: a site that is not configured ends here.
preload_app = True
