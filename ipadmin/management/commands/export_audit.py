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

from ipadmin.audit.activity import command_line_actor
from ipadmin.audit.export.export import Format, Progress, export
from ipadmin.audit.export.files import new_file
from ipadmin.models import AuditEntry
from ipadmin.ui.history_form import PAGES, TIMES, HistoryFilters

STDOUT = "-"
FILTERS = [name for name in HistoryFilters.base_fields if name not in PAGES]
EPILOG = (
    f"Filters, as in the URL of the history page: {', '.join(FILTERS)}. Moments are in UTC unless"
    " they have an offset of their own or a zone is given. Without a time all entries are exported."
    " The export is sealed into the history, as one from the page is."
)


class Command(BaseCommand):
    help = "Export the audit history, newest first, as CSV or JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = EPILOG
        parser.add_argument("--format", type=Format, choices=list(Format), default=Format.CSV)
        parser.add_argument(
            "--output",
            default=STDOUT,
            metavar="FILE",
            help="a new file, which only you may read; standard output without it",
        )
        parser.add_argument("--since", metavar="MOMENT", help="as in 2026-11-23T14:05, or a day")
        parser.add_argument("--until", metavar="MOMENT", help="that second, or day, included")
        parser.add_argument("--person", action="append", default=[], metavar="NAME")
        parser.add_argument(
            "--filter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="any filter of the history page; may be given several times",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        filters, progress = _filters(options), Progress()
        try:
            # First the file: what cannot be written is not even begun.
            with self._file(options["output"]) as file:
                pieces = export(
                    filters.apply(AuditEntry.objects.order_by("-created_at", "-id")),
                    options["format"],
                    by=command_line_actor(),
                    criteria=filters.criteria(),
                    progress=progress,
                )
                with closing(pieces):
                    self._copy(pieces, file, progress)
        except BrokenPipeError as error:
            # Or Python would complain of it once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError(f"Whoever read it went away: {progress}") from error
        except (OSError, DatabaseError) as error:
            raise CommandError(f"Not exported: {error}") from error
        if options["output"] != STDOUT:
            self.stdout.write(str(progress))

    def _file(self, output: str) -> AbstractContextManager[BinaryIO]:
        if output != STDOUT:
            return new_file(Path(output))
        return nullcontext(cast(BinaryIO, self.stdout.buffer))

    def _copy(self, pieces: Iterable[bytes], file: BinaryIO, progress: Progress) -> None:
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
