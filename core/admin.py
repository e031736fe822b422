"""Bases of the pages in the admin."""

from typing import Any, Generic, TypeVar

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import get_fields_from_path, unquote
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, FieldDoesNotExist, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

M = TypeVar("M", bound=Model)


# More than a user needs, and few enough for the database to take them in one statement.
MAX_SEARCH_WORDS = 50
MAX_TERMS = 100  # sort fields of a list, and values of one filter
# The lookups that the filters of Django's admin append to the path of their field.
FILTER_SUFFIXES = ("", "__exact", "__isnull", "__isempty")


def is_id(text: Any) -> bool:
    """Return whether `text` has the form of a primary key: decimal digits, as few as fit into 64 bits."""
    text = str(text)
    return text.isascii() and text.isdecimal() and len(text) < 20


class IgnoreInvalidIds:
    """Makes an autocomplete widget ignore values that are no ids. Django's own raises an error on them."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        ids = [each for each in value if is_id(each)]
        return super().optgroups(name, ids, attr)  # type: ignore[misc]  # the widget's


class AutocompleteOne(IgnoreInvalidIds, AutocompleteSelect):
    pass


class AutocompleteMany(IgnoreInvalidIds, AutocompleteSelectMultiple):
    pass


class RegistryAdmin(ModelAdmin, Generic[M]):
    """Admin pages of one model, whose lists stay cheap on big tables.

    The query of a list's address may use the lookups that its filters and links offer, and no others. Values
    that the database would refuse are answered with 400. The history of a record is the audit, filtered by
    that record.
    """

    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    # Links to the next and the previous page, without a count of the whole table.
    paginator = InfinitePaginator
    warn_unsaved_form = True
    empty_value_display = "-"
    # The text that an empty list shows.
    empty_hint = ""
    # Lookups that links in our templates use, beyond those of the filters.
    linked_lookups: tuple[str, ...] = ()

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        kind = ContentType.objects.get_for_model(self.model)
        query = urlencode([("content_type__id__exact", kind.pk), ("object_pk", unquote(object_id))])
        return HttpResponseRedirect(f"{reverse('admin:auditlog_logentry_changelist')}?{query}")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow the lookups of the list's filters and links.

        Any other lookup could reveal values that the list does not show, such as digests of keys.
        """
        list_filter = self.get_list_filter(request) if request else self.list_filter
        offered = {lookup for each in list_filter for lookup in self.lookups_of(each)}
        return lookup in offered or lookup in self.linked_lookups or lookup in self.date_lookups()

    def lookups_of(self, list_filter: Any) -> list[str]:
        """Return the lookups that an entry of `list_filter` may put into the address."""
        if isinstance(list_filter, type) and issubclass(list_filter, SimpleListFilter):
            return [str(list_filter.parameter_name)]
        path = list_filter[0] if isinstance(list_filter, tuple | list) else list_filter
        field: Any = get_fields_from_path(self.model, path)[-1]
        related = [f"{path}__{field.target_field.name}__exact"] if field.is_relation else []
        return [*(f"{path}{suffix}" for suffix in FILTER_SUFFIXES), *related]

    def date_lookups(self) -> list[str]:
        return (
            [f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day")]
            if self.date_hierarchy
            else []
        )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return Django's change list. Raises `BadRequest` for more than `MAX_TERMS` sorts or values."""
        repeated = max((len(values) for _, values in request.GET.lists()), default=0)
        if repeated > MAX_TERMS or request.GET.get(ORDER_VAR, "").count(".") >= MAX_TERMS:
            raise BadRequest(f"The address sorts or filters by more than {MAX_TERMS} terms.")
        return super().get_changelist_instance(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Explain why the list is unfiltered: Django redirects here from a filter that cannot be used."""
        if ERROR_FLAG in request.GET:
            self.message_user(
                request, "This filter cannot be used: the list shows everything.", messages.WARNING
            )
        return super().changelist_view(request, extra_context)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Search a list, or the records that an autocomplete field offers.

        Raises `BadRequest` for more than `MAX_SEARCH_WORDS` words.
        """
        if len(search_term.split()) > MAX_SEARCH_WORDS:
            raise BadRequest(f"A search takes at most {MAX_SEARCH_WORDS} words.")
        return super().get_search_results(request, queryset, search_term)

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Run an action on the selected rows. Raises `BadRequest` if a selected value is no id."""
        if not all(map(is_id, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            raise BadRequest("What was selected is not in this list.")
        return super().response_action(request, queryset, *args, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Answer to an address with an invalid id as to one whose record does not exist."""
        if object_id is not None and not is_id(object_id):
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return super().get_object(request, object_id, from_field or None)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", AutocompleteOne(db_field, self.admin_site, using=kwargs.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault(
                "widget", AutocompleteMany(db_field, self.admin_site, using=kwargs.get("using"))
            )
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return the initial values that the address gives, without those that their fields do not accept."""
        initial = super().get_changeform_initial_data(request)
        return {name: value for name, value in initial.items() if self.accepts(name, value)}

    def accepts(self, name: str, value: Any) -> bool:
        """Return whether the field `name` exists and takes `value`, or each of a list of values."""
        try:
            field = self.opts.get_field(name)
            target = field.target_field if field.is_relation else field
            [target.to_python(each) for each in (value if isinstance(value, list) else [value])]
        except (FieldDoesNotExist, ValidationError):
            return False
        return True


class ReadOnlyAdmin(RegistryAdmin[M]):
    """Pages of records that nobody adds, changes or deletes by hand, such as logs. They have no history."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        return super().changeform_view(
            request, object_id, form_url, {"show_history": False, **(extra_context or {})}
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False
