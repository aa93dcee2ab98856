"""The JSON of `dumpdata` and `loaddata`, with microseconds.

Django's own encoder truncates times to milliseconds. Audit entries are sealed with microseconds, so
a copied database could not be verified.
"""

from __future__ import annotations

from datetime import datetime

from django.core.serializers import json
from django.core.serializers.json import Deserializer, DjangoJSONEncoder

__all__ = ["Deserializer", "Serializer"]


class Encoder(DjangoJSONEncoder):
    def default(self, o: object) -> object:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class Serializer(json.Serializer):
    def start_serialization(self) -> None:
        super().start_serialization()
        self.json_kwargs["cls"] = Encoder
