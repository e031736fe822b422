"""Export of connections, in the shape of `GET /api/connections`."""

import json
from collections.abc import Iterator

from connections.api.serializers import ConnectionSerializer
from connections.models import Connection

BATCH = 1000


def export_records() -> Iterator[str]:
    """Yield every connection as a line of JSON, by id."""
    serializer = ConnectionSerializer()
    for row in ConnectionSerializer.select(Connection.objects.order_by("pk")).iterator(BATCH):
        yield json.dumps(serializer.to_representation(row))
