from connections.api.filters import ConnectionFilter
from connections.api.serializers import ConnectionSerializer
from connections.models import Connection
from core.api.viewsets import ResourceViewSet


class ConnectionViewSet(ResourceViewSet):
    """The connections of the registry, as ItemPath's resource of that name."""

    queryset = Connection.objects.all()
    serializer_class = ConnectionSerializer
    filterset_class = ConnectionFilter
    same_for_everyone = True
