from connections.api.serializers import ConnectionSerializer
from core.api.filters import OperatorFilterSet


class ConnectionFilter(OperatorFilterSet):
    serializer_class = ConnectionSerializer
