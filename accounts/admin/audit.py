"""The admin's page of the audit. It needs roles, so it is not in `core`, where the audit is written."""

from typing import Any

from auditlog.mixins import LogEntryAdminMixin
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator, capfirst

from accounts.models import User
from accounts.roles import Role
from core.admin import ReadOnlyAdmin


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the user may open the pages of `model`."""
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


admin.site.unregister(LogEntry)  # the page of `auditlog`, which `AuditAdmin` replaces


@admin.register(LogEntry)
class AuditAdmin(ReadOnlyAdmin[LogEntry], LogEntryAdminMixin):
    """The audit entries, for all users with a role. `get_queryset` hides those of models they may not see."""

    list_display = ("when", "who", "remote_addr", "action", "kind", "record", "changed_fields")
    list_select_related = ("actor", "content_type")
    list_filter = ("action", ("content_type", admin.RelatedOnlyFieldListFilter))
    linked_lookups = ("object_pk",)
    ordering = ("-id",)
    readonly_fields = ("when", "who", "remote_addr", "action", "kind", "record", "request_id", "msg")
    fieldsets = ((None, {"fields": readonly_fields}),)
    empty_hint = (
        "Every change of a connection, an app, an integration, a user or a credential is listed here."
    )

    @admin.display(description="When (UTC)")
    def when(self, entry: LogEntry) -> str:
        return f"{entry.timestamp:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Kind")
    def kind(self, entry: LogEntry) -> str:
        return capfirst(entry.content_type.name)

    @admin.display(description="Record")
    def record(self, entry: LogEntry) -> str:
        kind = entry.content_type
        if entry.action == LogEntry.Action.DELETE or not self.admin_site.is_registered(kind.model_class()):
            return entry.object_repr
        page = reverse(f"admin:{kind.app_label}_{kind.model}_change", args=[entry.object_pk])
        return format_html('<a href="{}">{}</a>', page, entry.object_repr)

    @admin.display(description="Changed")
    def changed_fields(self, entry: LogEntry) -> str:
        """Return the names of the fields that an update changed; none for a new record, which sets all."""
        names = (field.replace("_", " ") for field in entry.changes_dict)
        return Truncator(", ".join(names) if entry.action == LogEntry.Action.UPDATE else "").chars(75)

    @admin.display(description="Request id")
    def request_id(self, entry: LogEntry) -> str | None:
        return entry.cid

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the entries of models that the user may see: entries about users have e-mail addresses."""
        visible = [model for model in auditlog.get_models() if may_see(request, model)]
        kinds = ContentType.objects.get_for_models(*visible).values()
        queryset = super().get_queryset(request).filter(content_type__in=[kind.pk for kind in kinds])
        return queryset.annotate(full_names=Value(may_see(request, User)))

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("object_repr", "actor__username") if may_see(request, User) else ("object_repr",)

    @admin.display(description="User")
    def who(self, entry: LogEntry) -> str:
        """Return the name of the user who made the change.

        If it is an e-mail address, users who may not see other users get only the part before the @.
        """
        if entry.full_names or entry.actor is None:
            return str(self.user_url(entry))
        name, at, _ = entry.actor.get_username().partition("@")
        return f"{name}@…" if at else name

    def has_view_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        return isinstance(request.user, User) and request.user.role >= Role.READER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        return ()  # any other order would sort the whole table
