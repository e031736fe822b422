from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet, TextField
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin import RegistryAdmin, is_id
from workitems.models import ENDS, Backlog, Bug, Initiative, Item, Link, Organization, WorkItem

# The number of links that a record's page shows at once.
LINKS_PAGE_SIZE = 50


def page_of(end: str, pk: int) -> str:
    return reverse(f"admin:workitems_{end}_change", args=[pk])


def describe(end: str, pk: int, title: str) -> SafeString:
    """Return one end of a link as HTML: its type and id, linked to its page, and its title."""
    return format_html('<a href="{}">{} {}</a> {}', page_of(end, pk), end.capitalize(), pk, title)


@admin.register(Organization)
class OrganizationAdmin(RegistryAdmin[Organization]):
    list_display = ("name", "id", "member_count")
    ordering = ("name", "id")
    search_fields = ("name__folded_contains",)
    autocomplete_fields = ("members",)
    fields = ("name", "members")
    empty_hint = (
        "An organization owns work items, and its members see and link them. Add one, or import work items."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return Organization.objects.annotate(members_counted=Count("members")).order_by(*self.ordering)

    @admin.display(description="Members", ordering="members_counted")
    def member_count(self, organization: Organization) -> int:
        return int(organization.members_counted)  # type: ignore[attr-defined]  # annotated above


class WorkItemAdmin(RegistryAdmin[WorkItem]):
    """The pages of one type of work item. A record's page shows its links below the form."""

    list_display: tuple[str, ...] = ("title", "id", "organization", "status_id", "archived")
    list_filter = ("archived", ("organization", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("organization",)
    ordering = ("-id",)
    search_fields = ("title__folded_contains", "=id")
    autocomplete_fields: tuple[str, ...] = ("organization", "created_by")
    change_form_outer_after_template = "workitems/links_of_record.html"
    empty_hint = "Add the first one, or copy those of pm415 with manage.py import_workitems."

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Store null for an empty long text; Django does so for short texts only."""
        empty = {"empty_value": None} if isinstance(db_field, TextField) else {}
        return super().formfield_for_dbfield(db_field, request, **empty, **kwargs)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> WorkItem | None:
        """Lock the row before a save, so that nobody links the record while it changes its organization."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        locked: WorkItem = self.model.objects.select_for_update(no_key=True).get(pk=found.pk)
        return locked

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        end = str(self.opts.model_name)
        links = self.page_of_links(request, end, object_id)
        context = {
            "links": links,
            "end": end,
            "links_page_size": LINKS_PAGE_SIZE,
            "may_link": request.user.has_perm("workitems.add_link"),
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def page_of_links(self, request: HttpRequest, end: str, object_id: str) -> list[tuple[Link, SafeString]]:
        """Return a page of the record's links with their other ends, oldest first.

        The query argument `links_after` is the id of the last link of the page before.
        """
        if not is_id(object_id):
            return []
        after = request.GET.get("links_after", "")
        links = Link.objects.of(end, int(object_id)).with_titles().order_by("pk")
        shown = links.filter(pk__gt=int(after)) if is_id(after) else links
        return [(link, self.other_end(link, end)) for link in shown[:LINKS_PAGE_SIZE]]

    def other_end(self, link: Link, end: str) -> SafeString:
        other, pk = next((other, pk) for other, pk in link.ends().items() if other != end)
        return describe(other, pk, getattr(link, other).title)

    def get_deleted_objects(self, objs: Iterable[WorkItem], request: HttpRequest) -> Any:
        """List each record with the number of its links, which are deleted with it.

        There may be too many links to list them, and their deletion needs no permission of its own.
        """
        names = [
            f"{self.opts.verbose_name}: {each}, with {each.links.count()} links"  # type: ignore[attr-defined]
            for each in objs
        ]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []


# The fields that items and backlogs share.
PLANNED_FIELDS = ("title", "organization", "description", "status_id", "points", "assignee", "archived")


@admin.register(Item)
class ItemAdmin(WorkItemAdmin):
    autocomplete_fields = ("organization", "assignee", "created_by")
    fieldsets = (
        (None, {"fields": PLANNED_FIELDS}),
        (
            "Plan",
            {
                "fields": (
                    "planned_on",
                    "forecasted_release",
                    "actual_release",
                    "owner_table",
                    "owner_id",
                    "order_index",
                )
            },
        ),
        ("Known", {"fields": ("created_by", "mailers")}),
    )


@admin.register(Bug)
class BugAdmin(WorkItemAdmin):
    list_display = ("title", "id", "organization", "severity", "status_id", "archived")
    autocomplete_fields = ("organization", "assignee", "reported_by", "created_by")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "title",
                    "organization",
                    "description",
                    "status_id",
                    "severity",
                    "assignee",
                    "archived",
                )
            },
        ),
        ("Known", {"fields": ("reported_by", "created_by", "mailers")}),
    )


@admin.register(Backlog)
class BacklogAdmin(WorkItemAdmin):
    autocomplete_fields = ("organization", "assignee", "created_by")
    fieldsets = (
        (None, {"fields": PLANNED_FIELDS}),
        ("Plan", {"fields": ("planned_on", "forecasted_release", "actual_release")}),
        ("Known", {"fields": ("created_by",)}),
    )


@admin.register(Initiative)
class InitiativeAdmin(WorkItemAdmin):
    list_display = ("title", "id", "organization", "horizon", "status_id", "archived")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "title",
                    "organization",
                    "description",
                    "status_id",
                    "horizon",
                    "order_index",
                    "archived",
                )
            },
        ),
        ("Known", {"fields": ("created_by", "mailers")}),
    )


@admin.register(Link)
class LinkAdmin(RegistryAdmin[Link]):
    list_display = ("id", "one", "other")
    autocomplete_fields = ENDS
    fields = ENDS
    ordering = ("-id",)
    empty_hint = (
        "A link joins two work items of different kinds and one organization. Choose two of the four fields."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Link]:
        return Link.objects.with_titles()

    @admin.display(description="Joins")
    def one(self, link: Link) -> SafeString:
        return self.end(link, 0)

    @admin.display(description="And")
    def other(self, link: Link) -> SafeString:
        return self.end(link, 1)

    def end(self, link: Link, number: int) -> SafeString:
        end, pk = list(link.ends().items())[number]
        return describe(end, pk, getattr(link, end).title)
