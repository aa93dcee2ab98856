"""What `dumpdata` writes, and `loaddata` reads."""

from datetime import UTC, datetime

from django.core import serializers

from ipadmin.models import AuditEntry


def test_a_dump_keeps_the_microseconds_that_were_sealed() -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, 123456, UTC)
    text = serializers.serialize("json", [AuditEntry(created_at=at)])
    [copy] = serializers.deserialize("json", text)
    assert isinstance(copy.object, AuditEntry)
    assert copy.object.created_at == at
