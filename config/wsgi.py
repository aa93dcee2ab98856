"""The WSGI application that gunicorn serves."""

import os
import sys
from io import StringIO

from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# gunicorn's exit status for an error that makes it stop, instead of starting another worker.
CANNOT_BOOT = 3

application = get_wsgi_application()
# gunicorn runs no system checks, unlike manage.py.
try:
    call_command("check", tags=["ipadmin"], stdout=StringIO())
except SystemCheckError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(CANNOT_BOOT)
