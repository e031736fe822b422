from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.api.rows import MomentField, RowSerializer


class LatestLogSerializer(RowSerializer):
    """The newest log entry of a connection, as `latestLog` shows it."""

    id = serializers.IntegerField()
    creationDate = MomentField(source="creation_date")
    status = serializers.IntegerField()
    description = serializers.CharField()
    error = serializers.CharField(allow_null=True)
    appId = serializers.IntegerField(source="app_id", allow_null=True)
    integrationId = serializers.IntegerField(source="integration_id", allow_null=True)
    workflowId = serializers.IntegerField(source="workflow_id", allow_null=True)
    taskId = serializers.IntegerField(source="task_id", allow_null=True)
    time = serializers.FloatField(allow_null=True)


EXAMPLE = {
    "id": 1,
    "appId": 2,
    "name": "PowerPick",
    "url": "https://warehouse.example.com",
    "passwordExists": True,
    "tokenExists": False,
    "isTestable": True,
    "authentication": "Basic Authentication",
    "type": "MSSQL",
    "username": "warehouse_user",
    "status": 1,
    "latestConnection": "2026-05-07T13:30:00.602998",
    "creationDate": "2026-05-01T10:12:45.000000",
    "latestLog": None,
    "integrationCount": 3,
    "lastCheck": "2026-05-07T13:30:00.603010",
}


@extend_schema_serializer(examples=[OpenApiExample("A connection", EXAMPLE)])
class ConnectionSerializer(RowSerializer):
    """The 16 keys of a connection, in ItemPath's order."""

    version_path = "version"

    id = serializers.IntegerField()
    appId = serializers.IntegerField(source="app_id", allow_null=True)
    name = serializers.CharField()
    url = serializers.CharField()
    passwordExists = serializers.BooleanField(source="password_exists")
    tokenExists = serializers.BooleanField(source="token_exists")
    isTestable = serializers.BooleanField(source="is_testable")
    authentication = serializers.CharField()
    type = serializers.CharField()
    username = serializers.CharField()
    status = serializers.IntegerField()
    latestConnection = MomentField(source="latest_connection", allow_null=True)
    creationDate = MomentField(source="creation_date")
    latestLog = LatestLogSerializer(source="latest_log", allow_null=True)
    integrationCount = serializers.IntegerField(source="integration_count")
    lastCheck = MomentField(source="last_check", allow_null=True)
