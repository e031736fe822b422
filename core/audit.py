"""The audit: who changed which fields of which record, when, and from which address."""

import json
from typing import Any

from auditlog.diff import model_instance_diff
from auditlog.middleware import AuditlogMiddleware
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone


class AuditMiddleware(AuditlogMiddleware):
    """Adds the user and the client's address to the audit entries of changes that are made in the admin.

    Views of the API whose changes are audited set the actor themselves.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        response: HttpResponse = super().__call__(request)
        return response

    @staticmethod
    def _get_remote_addr(request: HttpRequest) -> str | None:
        # Not from `X-Forwarded-For`, which any client may send: `core.proxies` has read it from trusted
        # proxies.
        return request.META.get("REMOTE_ADDR") or None

    @staticmethod
    def _get_remote_port(request: HttpRequest) -> int | None:
        return None  # auditlog takes it from a header that any client may send


def log_updates(pairs: list[tuple[Model, Model]], source: str) -> None:
    """Add audit entries for rows that were updated in bulk.

    `pairs` has each row before and after the update, `source` says what updated them. Unchanged rows get no
    entry.
    """
    entries = (update_entry(before, after, source) for before, after in pairs)
    LogEntry.objects.bulk_create([entry for entry in entries if entry.changes])


def update_entry(before: Model, after: Model, source: str) -> Any:
    return LogEntry(
        content_type=ContentType.objects.get_for_model(after),
        object_pk=str(after.pk),
        object_id=after.pk,
        object_repr=str(after)[:255],
        action=LogEntry.Action.UPDATE,
        changes=model_instance_diff(before, after),
        additional_data={"source": source},
    )


INSERT_CREATED = """
INSERT INTO {audit}
    (content_type_id, object_pk, object_id, object_repr, action,
     changes_text, changes, additional_data, timestamp)
SELECT %s, CAST(id AS varchar(255)), id, {label}, %s, '', CAST(%s AS {json}), CAST(%s AS {json}), %s
FROM {table} WHERE id IN ({ids})
"""


def log_created(model: type[Model], pks: list[int], source: str, label: str = "name") -> None:
    """Add audit entries for rows of `model` that were inserted in bulk, given by their primary keys.

    `label` is a column or an SQL expression that gives the row's name, `source` says what inserted the rows.
    The database builds the entries itself, in one statement: built in Python, they would take a fifth of the
    time of an import of 100,000 rows.
    """
    if not pks:
        return
    names = {
        "audit": LogEntry._meta.db_table,
        "table": model._meta.db_table,
        "label": label,
        "json": "jsonb" if connection.vendor == "postgresql" else "text",
        "ids": ", ".join(str(int(pk)) for pk in pks),
    }
    values = [
        ContentType.objects.get_for_model(model).pk,
        LogEntry.Action.CREATE,
        json.dumps({"created by": ["None", source]}),
        json.dumps({"source": source}),
        connection.ops.adapt_datetimefield_value(timezone.now()),
    ]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_CREATED.format(**names), values)
