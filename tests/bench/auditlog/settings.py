"""The site's settings, with django-auditlog and two stock admin sites beside it."""

from importlib.resources import files

from config.settings import *  # noqa: F403
from config.settings import BASE_DIR, INSTALLED_APPS, TEMPLATES

INSTALLED_APPS = [*INSTALLED_APPS, "auditlog"]
ROOT_URLCONF = "tests.bench.auditlog.urls"

# The admin's own pages before the site's versions of them.
_of_the_admin = str(files("django.contrib.admin") / "templates")
TEMPLATES = [{**TEMPLATES[0], "DIRS": [_of_the_admin, BASE_DIR / "templates"]}]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# What the site logs of a request would stand between the figures.
LOGGING = {"version": 1, "root": {"level": "ERROR"}}
