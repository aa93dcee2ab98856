"""Prove the history: walk along its chain of seals, in steps, and say what is wrong first.

A verification that a person asks for is kept, and the worker takes it further; one that a command
does is kept when it is done. Its end is an act on the history itself, and sealed.
"""

from __future__ import annotations

import re
import time
from dataclasses import asdict

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from ipadmin.audit.activity import Actor, add
from ipadmin.audit.integrity import verification_row
from ipadmin.audit.integrity.chain_end import Head
from ipadmin.audit.integrity.findings import Wrong, entries
from ipadmin.audit.integrity.unreadable import UNREADABLE
from ipadmin.audit.integrity.walk import State, Walk
from ipadmin.models import AuditLink, AuditVerification, LinkKind
from ipadmin.models.audit_link import HIGHEST

HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-fA-F]{64})")
HOLDS = "holds"

log = structlog.get_logger(__name__)


def parse_checkpoint(text: str) -> Head:
    """Number and seal of a checkpoint as `audit_checkpoint` prints it. Raises ValueError."""
    if not (found := HEAD.fullmatch(text.strip())):
        raise ValueError(
            "A head is the number of a link, a colon and 64 hexadecimal digits, as"
            " `manage.py audit_checkpoint` prints it."
        )
    return int(found[1]), bytes.fromhex(found[2])


def prepare(user_name: str, head: str = "") -> AuditVerification:
    """A verification of all links there are, not kept yet. ValueError when the head is none."""
    if head := head.strip():
        parse_checkpoint(head)
    # SQLite keeps any value, and sorts texts behind numbers: the end of the walk names those.
    numbers = AuditLink.objects.filter(sequence__gte=0, sequence__lte=HIGHEST)
    last = numbers.order_by("-sequence").values_list("sequence", flat=True).first()
    total = int(last or 0)
    return AuditVerification(user_name=user_name, head=head, total=total, state=asdict(State()))


def request(user_name: str, head: str = "") -> AuditVerification:
    """A verification for the worker to do. ValueError when the head is none."""
    verification = prepare(user_name, head)
    with transaction.atomic():
        _save(verification)
    return verification


def step(verification: AuditVerification, *, seconds: float) -> None:
    """Take a verification further for so long, or to its end."""
    deadline = time.monotonic() + seconds
    try:
        _walk(verification, deadline)
    except Wrong as wrong:
        _end(verification, str(wrong))
    except (OperationalError, InterfaceError):
        # The database is away, or busy: it goes on where it was.
        raise
    except Exception as error:
        # Somebody has written what no query of ours can read.
        log.exception("verification_failed", verification=verification.pk)
        _end(
            verification,
            f"Changed: something behind link {verification.sequence} cannot be read"
            f" ({type(error).__name__}). The log says more.",
        )
    _keep(verification)


def _walk(verification: AuditVerification, deadline: float) -> None:
    if verification.pk and not verification_row.is_ours(verification):
        raise Wrong(verification_row.NOT_OURS)
    state = State(**verification.state)
    head = parse_checkpoint(verification.head) if verification.head else None
    walk = Walk(state, total=verification.total, head=head)
    try:
        while walk.step():
            if time.monotonic() > deadline:
                return
        _end(verification, "")
    finally:
        verification.sequence, verification.state = state.sequence, asdict(state)


def _end(verification: AuditVerification, finding: str) -> None:
    verification.finding, verification.finished_at = finding, timezone.now()


def give_up(verification: AuditVerification, finding: str) -> None:
    """End a verification that cannot even be taken up."""
    verification.sequence, verification.state = 0, {}
    _end(verification, finding)
    _keep(verification)


def result(verification: AuditVerification) -> str:
    """One line on a finished verification."""
    if verification.finding:
        return verification.finding
    state = State(**verification.state)
    links = f"{verification.total:,} link{'' if verification.total == 1 else 's'}"
    pruned = f", {state.pruned:,} pruned" if state.pruned else ""
    return f"{links}, {entries(state.entries)}{pruned}: all hold"


def _keep(verification: AuditVerification) -> None:
    if verification.pk is None:
        if verification.finished_at:
            _keep_result(verification)
        return
    verification_row.seal(verification)
    fields = ("sequence", "state", "finished_at", "finding", "mac")
    running = AuditVerification.objects.filter(pk=verification.pk, finished_at=None)
    if not running.update(**{name: getattr(verification, name) for name in fields}):
        # Another worker was quicker.
        verification.refresh_from_db()
    elif verification.finished_at:
        _seal_result(verification)


def _keep_result(verification: AuditVerification) -> None:
    """What a command has found is said even when the database takes no more."""
    try:
        with transaction.atomic():
            _save(verification)
    except (DatabaseError, StopIteration):
        log.exception("verification_not_kept")
    _seal_result(verification)


def _save(verification: AuditVerification) -> None:
    """A new one: its mac is over its id as well."""
    verification.save()
    verification_row.seal(verification)
    verification.save(update_fields=["mac"])


def _seal_result(verification: AuditVerification) -> None:
    details = {
        "links": verification.total,
        "head": verification.head,
        "result": verification.finding or HOLDS,
    }
    try:
        add(LinkKind.VERIFIED, Actor(user_name=verification.user_name), details)
    except (*UNREADABLE, DatabaseError, StopIteration):
        # Without a key nothing can be sealed; what was found counts more.
        log.exception("verification_not_sealed")
