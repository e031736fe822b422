from connections.filters import ConnectionFilter
from connections.models import Connection
from connections.serializers import ConnectionSerializer
from itempath.api.viewsets import ResourceViewSet


class ConnectionViewSet(ResourceViewSet):
    """The connections of the registry, as ItemPath's resource of that name."""

    queryset = Connection.objects.all()
    serializer_class = ConnectionSerializer
    filterset_class = ConnectionFilter
