"""Django REST framework as its tutorial teaches it. DATABASE_URL and JWT_KEY come from the environment."""

import os
from urllib.parse import urlsplit

import django
from django.conf import settings

database = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    SECRET_KEY=os.environ["JWT_KEY"],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    TIME_ZONE="UTC",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": database.path[1:],
            "USER": database.username or "",
            "PASSWORD": database.password or "",
            "HOST": database.hostname or "",
            "PORT": database.port or "",
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"
        ],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%f",
    },
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402  # these need the settings above
from django.db import models  # noqa: E402
from django.db.models.functions import Coalesce  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers, viewsets  # noqa: E402
from rest_framework.pagination import LimitOffsetPagination  # noqa: E402


class Log(models.Model):
    creation_date = models.DateTimeField()
    status = models.SmallIntegerField()
    description = models.TextField()
    error = models.TextField(null=True)
    app_id = models.IntegerField(null=True)
    integration_id = models.BigIntegerField(null=True)
    workflow_id = models.BigIntegerField(null=True)
    task_id = models.BigIntegerField(null=True)
    time = models.FloatField(null=True)

    class Meta:
        app_label = "peer"
        db_table = "log"


class Connection(models.Model):
    app_id = models.IntegerField(null=True)
    name = models.TextField()
    url = models.TextField()
    password = models.TextField()
    token = models.TextField()
    is_testable = models.BooleanField()
    authentication = models.TextField()
    type = models.TextField()
    username = models.TextField()
    status = models.SmallIntegerField()
    latest_connection = models.DateTimeField(null=True)
    creation_date = models.DateTimeField()
    latest_log = models.ForeignKey(Log, null=True, on_delete=models.SET_NULL)
    last_check = models.DateTimeField(null=True)

    class Meta:
        app_label = "peer"
        db_table = "connection"


class Integration(models.Model):
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)

    class Meta:
        app_label = "peer"
        db_table = "integration"


class LogSerializer(serializers.ModelSerializer):
    creationDate = serializers.DateTimeField(source="creation_date")
    appId = serializers.IntegerField(source="app_id")
    integrationId = serializers.IntegerField(source="integration_id")
    workflowId = serializers.IntegerField(source="workflow_id")
    taskId = serializers.IntegerField(source="task_id")

    class Meta:
        model = Log
        fields = [
            "id",
            "creationDate",
            "status",
            "description",
            "error",
            "appId",
            "integrationId",
            "workflowId",
            "taskId",
            "time",
        ]


class ConnectionSerializer(serializers.ModelSerializer):
    appId = serializers.IntegerField(source="app_id")
    passwordExists = serializers.SerializerMethodField()
    tokenExists = serializers.SerializerMethodField()
    isTestable = serializers.BooleanField(source="is_testable")
    latestConnection = serializers.DateTimeField(source="latest_connection")
    creationDate = serializers.DateTimeField(source="creation_date")
    latestLog = LogSerializer(source="latest_log")
    integrationCount = serializers.IntegerField(source="integration_count")
    lastCheck = serializers.DateTimeField(source="last_check")

    class Meta:
        model = Connection
        fields = [
            "id",
            "appId",
            "name",
            "url",
            "passwordExists",
            "tokenExists",
            "isTestable",
            "authentication",
            "type",
            "username",
            "status",
            "latestConnection",
            "creationDate",
            "latestLog",
            "integrationCount",
            "lastCheck",
        ]

    def get_passwordExists(self, connection):
        return bool(connection.password)

    def get_tokenExists(self, connection):
        return bool(connection.token)


class Pages(LimitOffsetPagination):
    default_limit = 1000
    max_limit = 20000

    def get_count(self, queryset):
        return 0x7FFFFFFF

    def get_paginated_response(self, data):
        from rest_framework.response import Response

        return Response(data)


COUNT = (
    Integration.objects.filter(connection_id=models.OuterRef("pk"))
    .values("connection_id")
    .annotate(n=models.Count("pk"))
    .values("n")
)


class Connections(viewsets.ReadOnlyModelViewSet):
    queryset = (
        Connection.objects.select_related("latest_log")
        .annotate(integration_count=Coalesce(models.Subquery(COUNT), 0))
        .order_by("id")
    )
    serializer_class = ConnectionSerializer
    pagination_class = Pages


urlpatterns = [
    path("api/connections", Connections.as_view({"get": "list"})),
    path("api/connections/<int:pk>", Connections.as_view({"get": "retrieve"})),
]
application = get_wsgi_application()
