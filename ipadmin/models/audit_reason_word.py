from __future__ import annotations

from typing import ClassVar

from django.db import models

from ipadmin.models.search_keys import MAX_WORD_LENGTH

# The field of `AuditValueCounter` that has the words of reasons.
REASON_WORD = "reason_word"


class AuditReasonWord(models.Model):
    """A word of an entry's reason (see `search_keys.reason_words`), for searches. `created_at` is
    the entry's, so that an index has the entries with a word in order of time.

    Written with the entry by `audit/entries.py`, and compared with the reason by verifications.
    """

    pk = models.CompositePrimaryKey("entry_id", "word")
    entry_id = models.BigIntegerField()
    word = models.CharField(max_length=MAX_WORD_LENGTH)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["word", "created_at", "entry_id"], name="audit_reason_words")
        ]

    def __str__(self) -> str:
        return f"{self.word} in the reason of entry {self.entry_id}"
