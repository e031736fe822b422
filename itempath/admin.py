"""What every page of the admin shares."""

from typing import Any, Generic, TypeVar

from auditlog.mixins import LogEntryAdminMixin
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator, capfirst
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts.models import User
from accounts.roles import Role

M = TypeVar("M", bound=Model)


class RegistryAdmin(ModelAdmin, Generic[M]):
    """Lists that stay cheap on big tables; a record's history is its entries in the record of changes."""

    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    # Next and previous without a count of the whole table.
    paginator = InfinitePaginator
    warn_unsaved_form = True
    empty_value_display = "-"
    # What an empty list says to do next.
    empty_hint = ""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        kind = ContentType.objects.get_for_model(self.model)
        changes = reverse("admin:auditlog_logentry_changelist")
        return HttpResponseRedirect(f"{changes}?content_type__id__exact={kind.pk}&object_pk={object_id}")


class RecordAdmin(RegistryAdmin[M]):
    """Records of what happened: to be read, not to be made, changed or removed; they have no history of their own."""

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        return super().changeform_view(request, object_id, form_url, {"show_history": False, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


admin.site.unregister(LogEntry)
# auditlog's own names stand above its pages and say nothing to operators.
apps.get_app_config("auditlog").verbose_name = "Record"
LogEntry._meta.verbose_name, LogEntry._meta.verbose_name_plural = "change", "changes"


@admin.register(LogEntry)
class ChangeAdmin(RecordAdmin[LogEntry], LogEntryAdminMixin):
    """Who changed what, when and from where; open to everyone with a role (but see `get_queryset`), changed by nobody."""

    list_display = ("when", "user_url", "remote_addr", "action", "kind", "record", "changed_fields")
    list_select_related = ("actor", "content_type")
    list_filter = ("action", ("content_type", admin.RelatedOnlyFieldListFilter))
    search_fields = ("object_repr", "actor__username")
    ordering = ("-id",)
    readonly_fields = ("when", "user_url", "remote_addr", "action", "kind", "record", "request_id", "msg")
    fieldsets = ((None, {"fields": readonly_fields}),)
    empty_hint = "Every change of a connection, an app, an integration, a user or a credential is listed here."

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
        """Name the fields of an update; a new record has them all."""
        names = (field.replace("_", " ") for field in entry.changes_dict)
        return Truncator(", ".join(names) if entry.action == LogEntry.Action.UPDATE else "").chars(75)

    @admin.display(description="Request id")
    def request_id(self, entry: LogEntry) -> str | None:
        return entry.cid

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave out the changes of apps that keep them to those who see their records."""
        private = [app for app in apps.get_app_configs() if getattr(app, "private_changes", False)]
        hidden = [model for app in private if not request.user.has_module_perms(app.label) for model in app.get_models()]
        kinds = ContentType.objects.get_for_models(*hidden).values()
        return super().get_queryset(request).exclude(content_type__in=[kind.pk for kind in kinds])

    def has_view_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        return isinstance(request.user, User) and request.user.role >= Role.READER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        return ()  # any other order would sort the whole record
