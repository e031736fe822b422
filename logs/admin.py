from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from unfold.decorators import display

from core.admin import ReadOnlyAdmin
from logs.models import ConnectionLog


class ResultFilter(admin.SimpleListFilter):
    """Filters by passed or failed. Django's own filter would read the whole log to find these two values."""

    title = "result"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "passed"), ("0", "failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ConnectionLog]) -> QuerySet[ConnectionLog]:
        value = self.value()
        return queryset.filter(status=int(value)) if value in ("0", "1") else queryset


@admin.register(ConnectionLog)
class ConnectionLogAdmin(ReadOnlyAdmin[ConnectionLog]):
    list_display = ("when", "result", "connection", "reason", "seconds")
    fields = ("when", "result", "connection", "description", "error", "seconds")
    readonly_fields = ("when", "result", "seconds")
    # By id: newest first, and the primary key's index serves every page.
    ordering = ("-id",)
    list_filter = (ResultFilter,)
    list_select_related = ("connection",)
    empty_hint = "What checks of connections find is listed here, newest first."

    @display(description="Result", label={"passed": "success", "failed": "danger"})
    def result(self, log: ConnectionLog) -> str:
        return "passed" if log.status else "failed"

    @admin.display(description="When (UTC)")
    def when(self, log: ConnectionLog) -> str:
        return f"{log.creation_date:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="What happened")
    def reason(self, log: ConnectionLog) -> str:
        return Truncator(log.error or log.description).chars(200)

    @admin.display(description="Seconds")
    def seconds(self, log: ConnectionLog) -> float | None:
        return log.time

    def get_sortable_by(self, request: object) -> tuple[str, ...]:
        return ()  # any other order would sort the whole log
