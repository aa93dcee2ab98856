"""Exit with 0 when the site answers /healthz with 200: the health check of the container image."""

import os
import sys
from http.client import HTTPConnection

host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=5)
connection.request("GET", "/healthz", headers={"Host": host})
sys.exit(connection.getresponse().status != 200)
