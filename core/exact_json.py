"""`dumpdata`'s JSON with whole datetimes: Django's own cuts microseconds off, as ECMAScript would."""

from datetime import datetime
from typing import Any

from django.core.serializers.json import Deserializer, DjangoJSONEncoder
from django.core.serializers.json import Serializer as JSONSerializer

__all__ = ["Deserializer", "Serializer"]


class ExactEncoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class Serializer(JSONSerializer):
    def _init_options(self) -> None:  # the hook that Django's own JSON formats use
        super()._init_options()  # type: ignore[misc]  # missing from the stubs
        self.json_kwargs["cls"] = ExactEncoder
