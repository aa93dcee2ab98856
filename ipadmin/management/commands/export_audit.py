from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.http import QueryDict

from ipadmin.audit.activity import command_line_actor
from ipadmin.audit.export.export import ExportProgress, Format, export
from ipadmin.audit.export.files import new_file
from ipadmin.models import AuditEntry
from ipadmin.ui.history_form import PAGES, TIMES, HistoryFilters

STDOUT = "-"
FILTERS = [name for name in HistoryFilters.base_fields if name not in PAGES]
EPILOG = (
    f"Filters, as in the URL of the history page: {', '.join(FILTERS)}. Times are in UTC, unless"
    " they have an offset or a zone is given. Without a time, all entries are exported. The export"
    " is recorded in the activity log."
)


class Command(BaseCommand):
    help = "Export audit entries, newest first, as CSV or JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = EPILOG
        parser.add_argument("--format", type=Format, choices=list(Format), default=Format.CSV)
        parser.add_argument(
            "--output",
            default=STDOUT,
            metavar="FILE",
            help="a new file, readable only by you; standard output by default",
        )
        for name, metavar, help in (
            ("--since", "TIME", "2026-11-23T14:05 or 2026-11-23"),
            ("--until", "TIME", "including that second or day"),
            ("--person", "NAME", "can be repeated"),
            ("--filter", "NAME=VALUE", "any filter of the history page; can be repeated"),
        ):
            parser.add_argument(name, action="append", default=[], metavar=metavar, help=help)

    def handle(self, *_args: object, **options: Any) -> None:
        filters, progress = _filters(options), ExportProgress()
        entries = filters.apply(AuditEntry.objects.order_by("-created_at", "-id"))
        by, criteria = command_line_actor(), filters.criteria()
        try:
            # The file first: an export that cannot be written is not recorded.
            with (
                self._file(options["output"]) as file,
                closing(
                    export(entries, options["format"], by=by, criteria=criteria, progress=progress)
                ) as pieces,
            ):
                file.writelines(pieces)
                file.flush()
        except BrokenPipeError as error:
            # Otherwise Python reports the broken pipe again when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError(f"The reader closed the pipe after {progress}.") from error
        except (OSError, DatabaseError) as error:
            raise CommandError(f"Not exported: {error}") from error
        if options["output"] != STDOUT:
            self.stdout.write(str(progress))

    def _file(self, output: str) -> AbstractContextManager[BinaryIO]:
        if output != STDOUT:
            return new_file(Path(output))
        return nullcontext(cast(BinaryIO, self.stdout.buffer))


def _filters(options: dict[str, Any]) -> HistoryFilters:
    query = QueryDict(mutable=True)
    for given in options["filter"]:
        name, _, value = given.partition("=")
        if name not in FILTERS:
            raise CommandError(f"There is no filter {name!r}. There are: {', '.join(FILTERS)}.")
        query.appendlist(name, value)
    for name in ("since", "until", "person"):
        if options[name]:
            query.setlist(name, options[name])
    try:
        query.urlencode()
    except UnicodeEncodeError as error:
        raise CommandError("A filter is not in UTF-8.") from error
    if not query.keys() & {*TIMES}:
        query["when"] = "all"
    filters = HistoryFilters(query)
    for name, errors in filters.errors.items():
        raise CommandError(f"{name}: {' '.join(map(str, errors))}")
    return filters
