from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.http import QueryDict

from ipadmin.audit.export.export import ExportProgress, Format, export
from ipadmin.audit.export.files import new_file
from ipadmin.management.person import person
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
        parser.add_argument("--since", metavar="TIME", help="2026-11-23T14:05 or 2026-11-23")
        parser.add_argument("--until", metavar="TIME", help="including that second or day")
        parser.add_argument("--person", action="append", default=[], metavar="NAME")
        parser.add_argument(
            "--filter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="any filter of the history page; can be repeated",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        filters, progress = _filters(options), ExportProgress()
        try:
            # The file first: an export that cannot be written is not recorded.
            with self._file(options["output"]) as file:
                pieces = export(
                    filters.apply(AuditEntry.objects.order_by("-created_at", "-id")),
                    options["format"],
                    by={"command_line": person()},
                    criteria=filters.criteria(),
                    progress=progress,
                )
                with closing(pieces):
                    self._copy(pieces, file, progress)
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

    def _copy(self, pieces: Iterable[bytes], file: BinaryIO, progress: ExportProgress) -> None:
        try:
            for piece in pieces:
                file.write(piece)
                self._say(f"\r{progress}  ")
            file.flush()
        finally:
            self._say("\n")

    def _say(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(text, ending="")


def _filters(options: dict[str, Any]) -> HistoryFilters:
    query = QueryDict(mutable=True)
    for given in options["filter"]:
        name, _, value = given.partition("=")
        if name not in FILTERS:
            raise CommandError(f"There is no filter {name!r}. There are: {', '.join(FILTERS)}.")
        query.appendlist(name, value)
    for name in ("since", "until"):
        if options[name] is not None:
            query[name] = options[name]
    for name in options["person"]:
        query.appendlist("person", name)
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
