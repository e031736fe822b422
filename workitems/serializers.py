"""The records of the two endpoints, with the fields and formats of pm415."""

from datetime import datetime
from typing import Any

from django.db.models import Func, IntegerField, TextField
from django.db.models.sql.compiler import SQLCompiler
from rest_framework import serializers

from core.api.rows import RowSerializer


class InstantText(Func):
    """A datetime as `YYYY-MM-DDTHH:MM:SS.fffZ` in UTC, cut to milliseconds.

    PostgreSQL returns a datetime that Python formats, as its `to_char` takes longer. SQLite stores a text
    already.
    """

    arity = 1
    output_field = TextField()

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, Any]:
        return super().as_sql(
            compiler, connection, template="(%(expressions)s AT TIME ZONE 'UTC')", **context
        )

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, Any]:
        # Django stores `YYYY-MM-DD HH:MM:SS`, with six decimals unless they are zero.
        template = "REPLACE(SUBSTR(%(expressions)s || '.000', 1, 23), ' ', 'T') || 'Z'"
        return super().as_sql(compiler, connection, template=template, **context)

    def get_db_converters(self, connection: Any) -> list[Any]:
        return [write_instant] if connection.vendor == "postgresql" else []


def write_instant(value: datetime | None, *args: Any) -> str | None:
    return f"{value.isoformat(timespec='milliseconds')}Z" if value else None


class MidnightText(Func):
    """A date as its first moment in UTC: `YYYY-MM-DDT00:00:00.000Z`."""

    arity = 1
    output_field = TextField()

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, Any]:
        template = """to_char(%(expressions)s, 'YYYY-MM-DD"T00:00:00.000Z"')"""
        return super().as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, Any]:
        return super().as_sql(compiler, connection, template="%(expressions)s || 'T00:00:00.000Z'", **context)


class BooleanNumber(Func):
    """A boolean as 0 or 1."""

    template = "CAST(%(expressions)s AS integer)"
    arity = 1
    output_field = IntegerField()

    def get_db_converters(self, connection: Any) -> list[Any]:
        return []  # the cast yields an integer, and a boolean's converter would undo it


class InstantField(serializers.DateTimeField):
    sql_function = InstantText


class MidnightField(serializers.DateTimeField):
    sql_function = MidnightText


class FlagField(serializers.IntegerField):
    """A boolean column as 0 or 1."""

    sql_function = BooleanNumber


def user_id(source: str) -> "serializers.IntegerField":
    return serializers.IntegerField(source=f"{source}_id", allow_null=True, help_text="The id of a user.")


class PlannedSerializer(RowSerializer):
    """The fields that items and backlogs share, which come first."""

    assignee = user_id("assignee")
    organizationId = serializers.IntegerField(source="organization_id")
    id = serializers.IntegerField()
    title = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    statusId = serializers.IntegerField(source="status_id", allow_null=True)
    points = serializers.FloatField(allow_null=True)
    createdBy = user_id("created_by")
    forecastedRelease = InstantField(source="forecasted_release", allow_null=True)
    actualRelease = InstantField(source="actual_release", allow_null=True)
    plannedOn = InstantField(source="planned_on", allow_null=True)


class ItemSerializer(PlannedSerializer):
    """A story or task."""

    ownerId = serializers.IntegerField(source="owner_id", allow_null=True)
    ownerTable = serializers.CharField(source="owner_table", allow_null=True)
    mailers = serializers.CharField(allow_null=True)
    orderIndex = serializers.IntegerField(source="order_index", allow_null=True)
    archived = FlagField()


class BacklogSerializer(PlannedSerializer):
    """A list of items."""

    archived = FlagField()


class BugSerializer(RowSerializer):
    """A defect."""

    id = serializers.IntegerField()
    assignee = user_id("assignee")
    organizationId = serializers.IntegerField(source="organization_id")
    mailers = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    statusId = serializers.IntegerField(source="status_id", allow_null=True)
    severity = serializers.CharField(allow_null=True)
    createdBy = user_id("created_by")
    reportedBy = user_id("reported_by")
    archived = FlagField()


class InitiativeSerializer(RowSerializer):
    """A goal over several quarters."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    horizon = MidnightField(allow_null=True)
    statusId = serializers.IntegerField(source="status_id", allow_null=True)
    createdBy = user_id("created_by")
    organizationId = serializers.IntegerField(source="organization_id")
    mailers = serializers.CharField(allow_null=True)
    archived = FlagField()
    orderIndex = serializers.IntegerField(source="order_index", allow_null=True)


class LinkSerializer(RowSerializer):
    """A link: two of the four ids are filled, the others null."""

    id = serializers.IntegerField()
    initiativeId = serializers.IntegerField(source="initiative_id", allow_null=True)
    backlogId = serializers.IntegerField(source="backlog_id", allow_null=True)
    itemId = serializers.IntegerField(source="item_id", allow_null=True)
    bugId = serializers.IntegerField(source="bug_id", allow_null=True)
