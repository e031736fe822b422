"""What every page of the admin shares."""

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


# More than anybody types, and less than what a database takes in one statement.
MAX_WORDS = 50
MAX_TERMS = 100
# What the filters of Django's admin append to the path of their field.
FILTER_SUFFIXES = ("", "__exact", "__isnull", "__isempty")


def is_id(text: Any) -> bool:
    """Return whether `text` may be the id of a record: decimal digits, no more than 64 bits take."""
    text = str(text)
    return text.isascii() and text.isdecimal() and len(text) < 20


class KnownChoices:
    """A field that searches for a record to choose. What is sent in place of an id selects nothing; Django's fails."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [each for each in value if is_id(each)], attr)  # type: ignore[misc]  # of the widget


class AutocompleteOne(KnownChoices, AutocompleteSelect):
    pass


class AutocompleteMany(KnownChoices, AutocompleteSelectMultiple):
    pass


class RegistryAdmin(ModelAdmin, Generic[M]):
    """Lists that stay cheap on big tables; a record's history is its entries in the record of changes.

    An address may ask a list for what its filters offer, and for nothing else. What no database takes is 400.
    """

    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    # Next and previous without a count of the whole table.
    paginator = InfinitePaginator
    warn_unsaved_form = True
    empty_value_display = "-"
    # What an empty list says to do next.
    empty_hint = ""
    # Look-ups that links of ours use beside the filters.
    linked_lookups: tuple[str, ...] = ()

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        kind = ContentType.objects.get_for_model(self.model)
        query = urlencode([("content_type__id__exact", kind.pk), ("object_pk", unquote(object_id))])
        return HttpResponseRedirect(f"{reverse('admin:auditlog_logentry_changelist')}?{query}")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow what the list's filters and links ask for. Any other look-up could tell what the list does not show."""
        list_filter = self.get_list_filter(request) if request else self.list_filter
        offered = {lookup for each in list_filter for lookup in self.lookups_of(each)}
        return lookup in offered or lookup in self.linked_lookups or lookup in self.date_lookups()

    def lookups_of(self, list_filter: Any) -> list[str]:
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
        """Raises `BadRequest` for a sort or a filter that repeats beyond all use."""
        repeated = max((len(values) for _, values in request.GET.lists()), default=0)
        if repeated > MAX_TERMS or request.GET.get(ORDER_VAR, "").count(".") >= MAX_TERMS:
            raise BadRequest(f"The address sorts or filters by more than {MAX_TERMS} terms.")
        return super().get_changelist_instance(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Say why the list is whole after a filter that cannot be used, from which Django leads here."""
        if ERROR_FLAG in request.GET:
            self.message_user(
                request, "This filter cannot be used: the list shows everything.", messages.WARNING
            )
        return super().changelist_view(request, extra_context)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Raises `BadRequest` for more words than a statement can hold. Fields that choose a record search here, too."""
        if len(search_term.split()) > MAX_WORDS:
            raise BadRequest(f"A search takes at most {MAX_WORDS} words.")
        return super().get_search_results(request, queryset, search_term)

    def response_action(self, request: HttpRequest, queryset: Any, *place: Any, **options: Any) -> Any:
        """Raises `BadRequest` if what was selected is no id."""
        if not all(map(is_id, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            raise BadRequest("What was selected is not in this list.")
        return super().response_action(request, queryset, *place, **options)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Treat what is no id like the id of no record."""
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
        """Leave out what an address proposes for a field that cannot hold it."""
        proposed = super().get_changeform_initial_data(request)
        return {name: value for name, value in proposed.items() if self.takes(name, value)}

    def takes(self, name: str, value: Any) -> bool:
        try:
            field = self.opts.get_field(name)
            target = field.target_field if field.is_relation else field
            [target.to_python(each) for each in (value if isinstance(value, list) else [value])]
        except (FieldDoesNotExist, ValidationError):
            return False
        return True


class ReadOnlyAdmin(RegistryAdmin[M]):
    """Records of what happened: to be read, not to be made, changed or removed; they have no history of their own."""

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
