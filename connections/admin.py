from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from connections.choices import DATABASES, GUIDES, HTTP, Authentication
from connections.forms import ConnectionForm
from connections.models import App, Connection, Integration
from connections.secrets.holder import SECRETS
from core.admin import RegistryAdmin, is_id
from logs.models import ConnectionLog

LOG_PAGE = 20


def one_of(field: str, values: Any) -> str:
    """Return a condition in the page's script: the form's `field` is one of `values`."""
    return f"{[str(value) for value in values]}.includes({field})"


def shown_for(secret: str, *authentications: Authentication) -> str:
    """Return a condition in the page's script: an authentication is chosen, or the secret can be cleared."""
    return f"{one_of('authentication', authentications)} || {can_be_cleared(secret)}"


def can_be_cleared(secret: str) -> str:
    """Return a condition in the page's script: the form has the switch that clears the secret."""
    return f"!!document.querySelector('[name=clear_{secret}]')"


CONNECTION_FIELDS = (
    "name",
    "app",
    "type",
    "url",
    "database_name",
    "test_endpoint",
    "timeout",
    "verify_certificate",
)
AUTHENTICATION_FIELDS = ("authentication", "guide", "username", "api_key_header", "token_url", "scope")
STATE_FIELDS = ("state", "last_check", "latest_connection", "creation_date", "integrations", "testable")

A = Authentication
CONDITIONS = {
    "username": one_of("authentication", [each for each in A if each not in (A.NONE, A.BEARER, A.API_KEY)]),
    "database_name": one_of("type", DATABASES),
    "test_endpoint": one_of("type", HTTP),
    "headers": one_of("type", HTTP),
    "api_key_header": one_of("authentication", [A.API_KEY]),
    "token_url": one_of("authentication", [A.OAUTH2]),
    "scope": one_of("authentication", [A.OAUTH2]),
    "new_password": shown_for("password", A.BASIC, A.DIGEST, A.PRIVATE_KEY),
    "new_token": shown_for("token", A.BEARER, A.API_KEY, A.HMAC, A.OAUTH2),
    "new_private_key": shown_for("private_key", A.PRIVATE_KEY),
    "new_private_headers": f"{one_of('type', HTTP)} || {can_be_cleared('private_headers')}",
}


@admin.register(App)
class AppAdmin(RegistryAdmin[App]):
    list_display = ("name", "id")
    ordering = ("name",)
    search_fields = ("name__folded_contains",)
    empty_hint = (
        "An app is a system that owns connections, such as the ERP. Add the first one, or import connections."
    )


class StatusFilter(admin.SimpleListFilter):
    """Filters by the shown status: a connection that was never checked is neither up nor down."""

    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("up", "up"), ("down", "down"), ("unchecked", "not checked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Connection]) -> QuerySet[Connection]:
        if self.value() == "unchecked":
            return queryset.filter(last_check=None)
        status = {"up": 1, "down": 0}.get(self.value() or "")
        return queryset if status is None else queryset.filter(status=status, last_check__isnull=False)


@admin.register(Connection)
class ConnectionAdmin(RegistryAdmin[Connection]):
    """Secrets are entered here and never shown."""

    form = ConnectionForm
    conditional_fields = CONDITIONS
    list_display = ("state", "name", "type", "app", "address", "last_check", "newest_log", "integrations")
    list_display_links = ("name",)
    list_filter = (StatusFilter, "type", "authentication", ("app", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("app",)
    # Upper and lower case are equal beyond ASCII, on both databases.
    search_fields = ("name__folded_contains", "url__folded_contains", "username__folded_contains")
    autocomplete_fields = ("app",)
    ordering = ("name", "id")
    change_form_outer_after_template = "connections/log_of_connection.html"
    empty_hint = "Add a connection, or copy those of a live ItemPath with manage.py import_connections."

    @display(
        description="Status",
        ordering="status",
        label={"up": "success", "down": "danger", "not checked": "info"},
    )
    def state(self, connection: Connection) -> str:
        if connection.last_check is None:
            return "not checked"
        return "up" if connection.status else "down"

    @admin.display(description="Address", ordering="url")
    def address(self, connection: Connection) -> str:
        return connection.url if len(connection.url) <= 60 else f"{connection.url[:59]}…"

    @admin.display(description="Latest log")
    def newest_log(self, connection: Connection) -> str:
        log = connection.latest_log
        return (log.error or log.description)[:80] if log else "-"

    @admin.display(description="Integrations", ordering="integration_count")
    def integrations(self, connection: Connection) -> int:
        return connection.integration_count

    @admin.display(description="Can be checked", boolean=True)
    def testable(self, connection: Connection) -> bool:
        return connection.is_testable

    @admin.display(description="Which secret goes where")
    def guide(self, connection: Connection | None = None) -> SafeString:
        return format_html(
            "{}",
            SafeString(
                "".join(
                    f"<p x-show=\"authentication === '{name}'\">{text}</p>" for name, text in GUIDES.items()
                )
            ),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        writes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        secrets = self.secret_fields(obj) if writes else ["known_secrets"]
        sets = [
            ("Connection", {"fields": CONNECTION_FIELDS}),
            ("Authentication", {"fields": [*AUTHENTICATION_FIELDS, "headers", *secrets]}),
        ]
        return [*sets, ("What is known", {"fields": STATE_FIELDS})] if obj else sets

    def secret_fields(self, connection: Connection | None) -> list[str]:
        """Return a field for each secret, followed by a switch to clear it if the secret exists."""
        exists = {
            secret: connection is not None and getattr(connection, f"{secret}_exists") for secret in SECRETS
        }
        return [
            name
            for secret in SECRETS
            for name in (f"new_{secret}", f"clear_{secret}")
            if name.startswith("new_") or exists[secret]
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        return ("guide", "known_secrets", *STATE_FIELDS)

    @admin.display(description="Secrets")
    def known_secrets(self, connection: Connection) -> str:
        return ", ".join(
            f"{secret.replace('_', ' ')}: {connection.describe_secret(secret)}" for secret in SECRETS
        )

    def get_form(
        self, request: HttpRequest, obj: Connection | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The form itself makes the fields of secrets; Django would look for them on the model.
        return super().get_form(request, obj, change, **{**kwargs, "fields": ConnectionForm.Meta.fields})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        # By a query of its own: with a join and a sort, PostgreSQL reads the whole log.
        return cast("QuerySet[Connection]", super().get_queryset(request).prefetch_related("latest_log"))

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Connection | None:
        """Lock the row for a save, so that it is compared with what another user stored meanwhile."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        return self.get_queryset(request).select_for_update(of=("self",)).get(pk=found.pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"log": self.page_of_log(request, object_id), "log_page": LOG_PAGE, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what a deletion removes, and the integrations that prevent it.

        The log is deleted with its connection. It is too long to be listed, and needs no permission of its
        own.
        """
        connections = [f"Connection: {connection}, with its log" for connection in objs]
        integrations = Integration.objects.filter(connection__in=objs)
        return (
            connections,
            {"connections": len(connections)},
            set(),
            [f"Integration: {integration}" for integration in integrations],
        )

    def page_of_log(self, request: HttpRequest, object_id: str) -> Any:
        """Return one page of the connection's log, newest first; it begins after the entry `log_before`."""
        if not is_id(object_id):
            return []
        log = ConnectionLog.objects.filter(connection=int(object_id)).order_by("-pk")
        before = request.GET.get("log_before", "")
        return (log.filter(pk__lt=int(before)) if is_id(before) else log)[:LOG_PAGE]


@admin.register(Integration)
class IntegrationAdmin(RegistryAdmin[Integration]):
    list_display = ("name", "connection_link", "active")
    list_filter = ("active",)
    list_select_related = ("connection",)
    search_fields = ("name__folded_contains", "connection__name__folded_contains")
    autocomplete_fields = ("connection",)
    empty_hint = "An integration is something that uses a connection, such as an order import."

    @admin.display(description="Connection", ordering="connection__name")
    def connection_link(self, integration: Integration) -> SafeString:
        address = reverse("admin:connections_connection_change", args=[integration.connection_id])
        return format_html('<a href="{}">{}</a>', address, integration.connection)
