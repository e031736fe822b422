"""A format for `dumpdata` that keeps microseconds. Django's own JSON cuts datetimes to milliseconds."""

from datetime import datetime
from typing import Any

from django.core.serializers.json import Deserializer, DjangoJSONEncoder
from django.core.serializers.json import Serializer as JSONSerializer

__all__ = ["Deserializer", "Serializer"]


class ExactEncoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class Serializer(JSONSerializer):
    def _init_options(self) -> None:  # Django's other JSON formats override it too
        super()._init_options()  # type: ignore[misc]  # missing from the stubs
        self.json_kwargs["cls"] = ExactEncoder
