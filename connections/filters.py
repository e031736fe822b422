from connections.serializers import ConnectionSerializer
from itempath.api.filters import OperatorFilterSet


class ConnectionFilter(OperatorFilterSet):
    serializer_class = ConnectionSerializer
