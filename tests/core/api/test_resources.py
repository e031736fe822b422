"""What a resource gets from its declaration: DRF's verbs, roles by method, rules of writes, errors."""

import json
import os
import subprocess
import sys
from functools import partial
from threading import Event, Thread

import django_filters
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, models, transaction
from django.db import connection as database
from django.db.models import Count, F, RestrictedError, Value
from django.db.models.functions import Length
from django.http import HttpResponse
from django.test.utils import register_lookup
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from accounts.roles import Role
from connections.api.filters import ConnectionFilter
from connections.api.serializers import ConnectionSerializer, LatestLogSerializer
from connections.models import App, Connection, Integration
from core.api.filters import IntegerFilter, OperatorFilterSet, TextFilter
from core.api.routers import Router
from core.api.rows import MomentField, RowSerializer
from core.api.viewsets import ResourceViewSet, WritableResourceViewSet
from core.checks import check_resource
from logs.models import ConnectionLog
from tests.conftest import ROOT
from tests.core.api import make, refused

FACTORY = APIRequestFactory()


def call(view, user, method="get", path="/", data=None, actions=None, **kwargs):
    """Call a viewset as `user`, as a router would bind it, and return its answer."""
    actions = actions or {"get": "retrieve" if "pk" in kwargs else "list"}
    sent = {} if data is None else {"data": data, "format": "json"}
    request = getattr(FACTORY, method)(path, **sent)
    force_authenticate(request, user)
    options = getattr(getattr(view, actions[method]), "kwargs", {})  # of an `@action`
    response = view.as_view(actions, **options)(request, **kwargs)
    response = response.render() if hasattr(response, "render") else response
    response.json = partial(json.loads, response.content)
    return response


def body(response):
    return json.loads(response.content)


class AppSerializer(RowSerializer):
    version_path = "name"  # changes with every change: there is no other field

    id = serializers.IntegerField()
    name = serializers.CharField()

    class Meta:
        model = App
        writable = ("name",)


class AppFilter(OperatorFilterSet):
    serializer_class = AppSerializer


class AppViewSet(WritableResourceViewSet):
    queryset = App.objects.all()
    serializer_class = AppSerializer
    filterset_class = AppFilter


WRITES = {"post": "create", "patch": "partial_update", "delete": "destroy", "get": "retrieve"}


# DRF's verbs


class PlainActions(ResourceViewSet):
    """A connection with actions as anyone would write them."""

    queryset = Connection.objects.all()
    serializer_class: type[RowSerializer] = ConnectionSerializer
    filterset_class: type[OperatorFilterSet] = ConnectionFilter

    @action(detail=True, methods=["post"], required_roles={"POST": Role.OPERATOR})
    def test(self, request, pk=None):
        return Response({"name": self.get_object().name, "sent": request.data})

    @action(detail=False)
    def names(self, request):
        return Response([each.name for each in self.filter_queryset(self.get_queryset())])


def test_an_action_finds_its_record_and_reads_its_own_body(operator):
    make("one", "two")
    answer = call(
        PlainActions, operator, "post", data={"status": "no filter"}, actions={"post": "test"}, pk="2"
    )
    assert body(answer) == {"name": "two", "sent": {"status": "no filter"}}


@pytest.mark.parametrize("pk", ["3", "9" * 19, "9" * 60])
def test_an_action_on_no_record_is_not_found(pk, operator):
    assert call(PlainActions, operator, "post", data={}, actions={"post": "test"}, pk=pk).status_code == 404


def test_an_action_filters_and_sorts_as_a_list_does(reader):
    make("one", "two", "three")
    names = {"get": "names"}
    assert body(call(PlainActions, reader, path="/?name=[like]t&orderby=-id", actions=names)) == [
        "three",
        "two",
    ]
    faults = refused(call(PlainActions, reader, path="/?status=x&limit=0&orderby=none", actions=names))
    assert set(faults) == {"status", "limit", "orderby"}


def test_what_an_action_read_is_read_anew_for_the_next(reader):
    """A queryset that was evaluated on the class would keep its rows for ever."""
    for names in (["one"], ["one", "two"]):
        Connection.objects.all().delete()
        make(*names)
        assert body(call(PlainActions, reader, actions={"get": "names"})) == names


def test_the_body_of_a_write_holds_no_list_arguments(manager):
    App.objects.create(pk=1, name="WMS")
    answer = call(AppViewSet, manager, "patch", data={"name": "ERP", "limit": "x"}, actions=WRITES, pk="1")
    assert answer.status_code == 200
    assert "X-Ignored-Parameters" not in answer


# Whose answer it is


class OwnFilter(OperatorFilterSet):
    """Shows each caller the connections that are called like them."""

    serializer_class = ConnectionSerializer

    @property
    def qs(self):
        return super().qs.filter(name=self.request.user.username)


class OwnByFilter(PlainActions):
    filterset_class = OwnFilter


class OwnByQueryset(PlainActions):
    def get_queryset(self):
        return super().get_queryset().filter(name=self.request.user.username)


@pytest.mark.parametrize("view", [OwnByFilter, OwnByQueryset])
def test_a_caller_never_gets_the_rows_of_the_one_before(view, reader, operator):
    make(reader.username, operator.username)
    asked = "/?status=0"
    found = [[row["id"] for row in body(call(view, user, path=asked))] for user in (reader, operator, reader)]
    assert found == [[1], [2], [1]]


class Method(OperatorFilterSet):
    serializer_class = ConnectionSerializer
    mine = django_filters.BooleanFilter(method="filter_mine")

    def filter_mine(self, queryset, name, value):
        return queryset.filter(name=self.request.user.username)


class OwnText(TextFilter):
    def filter(self, qs, value):
        return qs.filter(name=self.parent.request.user.username)


class Parented(OperatorFilterSet):
    """A filter of its own class, which can see the request."""

    serializer_class = ConnectionSerializer
    name = OwnText("name")


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"filterset_class": OwnFilter}, "OwnFilter.qs"),
        ({"filterset_class": Method}, "Method.mine"),
        ({"get_queryset": OwnByQueryset.get_queryset}, "Shared.get_queryset"),
        ({"filter_queryset": lambda self, queryset: queryset}, "Shared.filter_queryset"),
        ({"filter_backends": [type("Other", (), {})]}, "Other"),
        ({"filterset_class": Parented}, "Parented.name"),
        ({"queryset": None, "get_queryset": OwnByQueryset.get_queryset}, "Shared.get_queryset"),
    ],
)
def test_the_check_refuses_to_share_what_may_look_at_the_caller(members, named):
    shared = type("Shared", (PlainActions,), {"same_for_everyone": True, **members})
    [fault] = check_resource(shared)
    assert fault.id == "core.E001"
    assert named in fault.msg
    unshared = type("Unshared", (shared,), {"same_for_everyone": False})
    assert list(check_resource(unshared)) == []
    # The check looks at every class there is; these are gone before the next test.
    del shared, unshared


def test_the_check_refuses_a_record_whose_first_field_is_not_the_id():
    class NameFirst(RowSerializer):
        name = serializers.CharField()
        id = serializers.IntegerField()

    view = type("NameFirstView", (PlainActions,), {"serializer_class": NameFirst})
    assert [fault.id for fault in check_resource(view)] == ["core.E002"]


def test_a_record_that_is_written_has_a_version():
    """The primary key stays the same: clients would hear 304 after a change."""
    serializer = type("NoVersion", (AppSerializer,), {"version_path": "pk"})
    view = type("NoVersionView", (AppViewSet,), {"serializer_class": serializer})
    assert [fault.id for fault in check_resource(view)] == ["core.E003"]


def test_no_permission_asks_about_an_instance():
    permission = type("Owner", (BasePermission,), {"has_object_permission": lambda *words: False})
    view = type("OwnedView", (PlainActions,), {"permission_classes": [permission]})
    assert [fault.id for fault in check_resource(view)] == ["core.E004"]


CHECK = """
import django
django.setup()
from connections.models import Connection
from core.api.viewsets import ResourceViewSet
def narrow(cls, **options):
    cls.get_queryset = lambda self: Connection.objects.none()
ResourceViewSet.__init_subclass__ = classmethod(narrow)
from django.core.checks import run_checks
print(*{fault.id for fault in run_checks()})
"""


def test_the_first_check_of_a_process_knows_the_resources_of_the_registry():
    """It runs before any address was looked up."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "itempath.settings"}
    found = subprocess.check_output([sys.executable, "-c", CHECK], cwd=ROOT, env=environment, text=True)
    assert "core.E001" in found.split()


# Roles


class PlainDestroy(mixins.DestroyModelMixin, ResourceViewSet):
    queryset = App.objects.all()
    serializer_class = AppSerializer
    filterset_class = AppFilter


@pytest.mark.parametrize(("role", "status"), [("reader", 403), ("operator", 403), ("manager", 204)])
def test_a_plain_delete_is_a_managers(role, status, db, request):
    App.objects.create(pk=1, name="WMS")
    user = request.getfixturevalue(role)
    assert call(PlainDestroy, user, "delete", actions={"delete": "destroy"}, pk="1").status_code == status
    assert App.objects.exists() == (status == 403)


@pytest.mark.parametrize(
    ("role", "status"), [("stranger", 403), ("reader", 403), ("operator", 200), ("manager", 200)]
)
def test_an_action_says_whose_it_is(role, status, db, request):
    make("one")
    user = request.getfixturevalue(role)
    answer = call(PlainActions, user, "post", data={}, actions={"post": "test"}, pk="1")
    assert answer.status_code == status


class ForManagers(PlainActions):
    required_roles = {"get": Role.MANAGER}


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_role_for_get_holds_for_head_too(method, operator, manager):
    actions = {"get": "list", "head": "list"}
    assert call(ForManagers, operator, method, actions=actions).status_code == 403
    assert call(ForManagers, manager, method, actions=actions).status_code == 200


# Writes


def test_a_record_is_created_changed_and_deleted(manager):
    created = call(AppViewSet, manager, "post", data={"name": "WMS"}, actions=WRITES)
    pk = body(created)["id"]
    assert (created.status_code, body(created)) == (201, {"id": pk, "name": "WMS"})
    assert created["Location"].endswith(f"/{pk}")
    changed = call(AppViewSet, manager, "patch", data={"name": "ERP"}, actions=WRITES, pk=str(pk))
    assert (changed.status_code, body(changed)) == (200, {"id": pk, "name": "ERP"})
    assert call(AppViewSet, manager, "delete", actions=WRITES, pk=str(pk)).status_code == 204
    assert not App.objects.exists()


def test_a_write_answers_what_a_get_would(manager):
    created = call(AppViewSet, manager, "post", data={"name": "WMS"}, actions=WRITES)
    shown = call(AppViewSet, manager, pk=str(body(created)["id"]))
    assert created.content == shown.content
    assert created["ETag"] == shown["ETag"]
    assert created["Content-Type"] == shown["Content-Type"]


def test_a_plain_mixin_answers_the_row_too(manager):
    view = type("PlainCreate", (mixins.CreateModelMixin, PlainDestroy), {})
    answer = call(view, manager, "post", data={"name": "WMS"}, actions={"post": "create"})
    assert answer.status_code == 201
    assert body(answer) == {"id": App.objects.get().pk, "name": "WMS"}


def test_a_record_is_gone_without_a_body(manager):
    App.objects.create(pk=1, name="WMS")
    answer = call(AppViewSet, manager, "delete", actions=WRITES, pk="1")
    assert (answer.content, "Content-Type" in answer) == (b"", False)


class TypedViewSet(WritableResourceViewSet):
    queryset = Connection.objects.all()


@pytest.mark.skipif(database.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_change_waits_for_another_and_keeps_what_it_wrote(manager):
    """Two changes of one record at once, and the result of a check between them: nothing is undone."""
    [record] = make("one")
    read, go_on = Event(), Event()

    class Waiting(TypedViewSet):
        serializer_class = TypedSerializer

        def perform_update(self, serializer):
            if serializer.validated_data.get("timeout"):
                read.set()
                go_on.wait(10)
            super().perform_update(serializer)

    def change(**fields):
        try:
            return call(Waiting, manager, "patch", data=fields, actions=WRITES, pk=str(record.pk)).status_code
        finally:
            connections.close_all()

    first = Thread(target=change, kwargs={"timeout": 7})
    second = Thread(target=change, kwargs={"url": "https://erp.example.com"})
    check = Thread(target=lambda: (Connection.objects.record([passed(record)]), connections.close_all()))
    first.start()
    assert read.wait(10)
    second.start(), check.start()
    go_on.set()
    for each in (first, second, check):
        each.join(20)
    now = Connection.objects.get()
    assert (now.timeout, now.url, now.status) == (7, "https://erp.example.com", 1)
    assert now.latest_log_id is not None


def passed(record):
    return ConnectionLog(connection=record, status=1, description="Connection test complete")


def test_the_description_of_a_resource_that_is_written(monkeypatch):
    monkeypatch.setattr(spectacular_settings, "POSTPROCESSING_HOOKS", [])  # they look for other resources
    router = Router()
    router.register("apps", AppViewSet)
    paths = SchemaGenerator(patterns=router.urls).get_schema(request=None, public=True)["paths"]
    calls = {method: call for path in paths.values() for method, call in path.items()}
    assert calls["post"]["responses"]["201"]["description"] == "Created."
    assert calls["delete"]["responses"]["204"]["description"] == "Deleted."
    assert [call["summary"] for call in calls.values()] == [
        "Show an app",
        "Create an app",
        "Change an app",
        "Delete an app",
    ]
    for method in ("post", "patch", "delete"):
        assert {"403", "404", "409", "422", "503"} <= set(calls[method]["responses"])


def test_what_is_read_only_is_not_written(manager):
    answer = call(AppViewSet, manager, "post", data={"name": "WMS", "id": 77}, actions=WRITES)
    assert body(answer)["id"] == App.objects.get().pk != 77


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ({}, "This field is required."),
        ({"name": None}, "This field may not be null."),
        ({"name": ""}, "This field may not be blank."),
        ({"name": "x" * 256}, "Ensure this field has no more than 255 characters."),
        ({"name": ["x"]}, "Not a valid string."),
    ],
)
def test_the_rules_come_from_the_model(sent, fault, manager):
    assert refused(call(AppViewSet, manager, "post", data=sent, actions=WRITES)) == {"name": fault}
    assert not App.objects.exists()


class SecretField(serializers.CharField):
    filterable = sortable = False


class TypedSerializer(RowSerializer):
    """Fields of each kind of rule: choices, bounds, null, a default, and one that is only written."""

    version_path = "version"

    id = serializers.IntegerField()
    appId = serializers.IntegerField(source="app_id")
    type = serializers.CharField()
    timeout = serializers.IntegerField()
    url = serializers.CharField()
    password = serializers.CharField(write_only=True, required=False)
    creationDate = MomentField(source="creation_date")

    class Meta:
        model = Connection
        writable = ("appId", "type", "timeout", "url")


def test_each_rule_of_the_model_is_taken():
    fields = TypedSerializer().fields
    assert (fields["timeout"].allow_null, fields["timeout"].required) == (True, False)
    assert (fields["timeout"].min_value, fields["timeout"].max_value) == (1, 60)
    assert (fields["url"].allow_blank, fields["url"].required, fields["url"].max_length) == (
        True,
        False,
        2000,
    )
    assert (fields["type"].required, fields["type"].max_length) == (True, 100)
    assert (fields["appId"].allow_null, fields["appId"].required) == (True, False)
    assert fields["creationDate"].read_only
    assert fields["id"].read_only
    assert fields["password"].write_only


def test_a_field_that_is_only_written_is_in_no_row_no_filter_and_no_order(reader):
    make("one")
    assert "password" not in TypedSerializer.layout().names
    filterset = type("TypedFilter", (OperatorFilterSet,), {"serializer_class": TypedSerializer})
    assert "password" not in filterset.base_filters
    row = TypedSerializer.select(Connection.objects.all()).get()
    assert "password" not in TypedSerializer.records([row])[0]


def test_choices_come_from_the_model():
    class Colour(models.Model):
        name = models.CharField(max_length=9, choices=[("red", "Red")])

        def __str__(self):
            return self.name

        class Meta:
            app_label = "tests_resources"
            managed = False

    class ColourSerializer(RowSerializer):
        version_path = "name"

        id = serializers.IntegerField()
        name = serializers.CharField()

        class Meta:
            model = Colour
            writable = ("name",)

    for value, valid in {"red": True, "blue": False}.items():
        assert ColourSerializer(data={"name": value}).is_valid() is valid
    type("ColourFilter", (OperatorFilterSet,), {"serializer_class": ColourSerializer})  # has a filter for it


class WiderSerializer(TypedSerializer):
    creationDate = MomentField(source="creation_date")

    class Meta:
        model = Connection
        writable = (*TypedSerializer.Meta.writable, "creationDate")


def test_a_subclass_may_write_more():
    """A field that forms leave out has its rules all the same."""
    field = WiderSerializer().fields["creationDate"]
    assert (field.read_only, field.required) == (False, False)
    assert WiderSerializer().fields["url"].max_length == 2000
    assert TypedSerializer().fields["creationDate"].read_only


def test_choices_of_numbers_leave_the_filter_one_of_numbers():
    class Level(models.Model):
        level = models.IntegerField(choices=[(1, "One")])

        class Meta:
            app_label = "tests_resources"
            managed = False

        def __str__(self):
            return str(self.level)

    class LevelSerializer(RowSerializer):
        version_path = "level"

        id = serializers.IntegerField()
        level = serializers.IntegerField()

        class Meta:
            model = Level
            writable = ("level",)

    filterset = type("LevelFilter", (OperatorFilterSet,), {"serializer_class": LevelSerializer})
    assert isinstance(filterset.base_filters["level"], IntegerFilter)


def test_a_writable_field_that_is_not_declared_is_refused():
    with pytest.raises(TypeError, match=r"Wrong declares no field colour"):
        type("Wrong", (AppSerializer,), {"Meta": type("Meta", (), {"model": App, "writable": ("colour",)})})


# Kinds of fields


def test_a_kind_without_a_filter_is_named():
    class Strange(RowSerializer):
        id = serializers.IntegerField()
        extra = serializers.JSONField()

    with pytest.raises(TypeError, match=r"Strange\.extra: no filter reads a JSONField"):
        type("StrangeFilter", (OperatorFilterSet,), {"serializer_class": Strange})


class Opaque(serializers.JSONField):
    filterable = sortable = False


class OpaqueSerializer(RowSerializer):
    id = serializers.IntegerField()
    headers = Opaque()


class OpaqueFilter(OperatorFilterSet):
    serializer_class = OpaqueSerializer


class OpaqueViewSet(PlainActions):
    serializer_class = OpaqueSerializer
    filterset_class = OpaqueFilter


def test_a_field_may_say_that_nobody_filters_or_sorts_by_it(reader):
    make("one", headers=[{"name": "X-Site", "value": "7"}])
    assert body(call(OpaqueViewSet, reader)) == [{"id": 1, "headers": [{"name": "X-Site", "value": "7"}]}]
    assert call(OpaqueViewSet, reader, path="/?headers=x")["X-Ignored-Parameters"] == "headers"
    assert refused(call(OpaqueViewSet, reader, path="/?orderby=headers")).keys() == {"orderby"}


class CountedSerializer(RowSerializer):
    """A field that the queryset computes, beside a nested record."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    active = serializers.IntegerField(source="active_count")
    latestLog = LatestLogSerializer(source="latest_log", allow_null=True)


class CountedFilter(OperatorFilterSet):
    serializer_class = CountedSerializer


class CountedViewSet(PlainActions):
    queryset = Connection.objects.annotate(active_count=Count("integrations"))
    serializer_class = CountedSerializer
    filterset_class = CountedFilter


def test_an_annotated_field_beside_a_nested_record_is_shown_filtered_and_sorted(reader):
    first, second = make("one", "two")
    Integration.objects.bulk_create(Integration(name=str(n), connection=second) for n in range(3))
    log = ConnectionLog.objects.create(connection=first, status=1, description="Connection test complete")
    Connection.objects.filter(pk=first.pk).update(latest_log=log)
    rows = body(call(CountedViewSet, reader, path="/?orderby=-active"))
    assert [(row["id"], row["active"], row["latestLog"] and row["latestLog"]["id"]) for row in rows] == [
        (2, 3, None),
        (1, 0, log.pk),
    ]
    assert [row["id"] for row in body(call(CountedViewSet, reader, path="/?active=[gt]2"))] == [2]
    assert body(call(CountedViewSet, reader, path="/?active=[gt]2&countOnly=1")) == {"count": 1}
    assert body(call(CountedViewSet, reader, pk="2"))["active"] == 3


def test_a_page_starts_from_the_views_own_queryset(reader):
    make("one", "two", "three")
    shown = {"queryset": Connection.objects.annotate(active_count=Value(7) * F("id")).exclude(name="two")}
    view = type("Narrowed", (CountedViewSet,), shown)
    assert [row["active"] for row in body(call(view, reader))] == [7, 21]
    assert call(view, reader, pk="2").status_code == 404


class PlainFilters(OperatorFilterSet):
    """Filters of django-filter's own beside ours."""

    serializer_class = ConnectionSerializer
    longerThan = django_filters.NumberFilter(method="longer")

    def longer(self, queryset, name, value):
        return queryset.filter(name__length__gt=value)


def test_a_plain_filter_works_beside_the_others(reader):
    make("one", "three")
    with register_lookup(models.CharField, Length):
        view = type("Plain", (PlainActions,), {"filterset_class": PlainFilters})
        assert [row["id"] for row in body(call(view, reader, path="/?longerThan=3&status=0"))] == [2]
    assert refused(call(view, reader, path="/?longerThan=x")) == {"longerThan": "Enter a number."}


def test_a_resource_without_filters(reader):
    make("one")
    view = type("Bare", (PlainActions,), {"filterset_class": None})
    answer = call(view, reader, path="/?status=1")
    assert [row["id"] for row in body(answer)] == [1]
    assert answer["X-Ignored-Parameters"] == "status"


# Errors at the edge


class Refusing(AppViewSet):
    """Raises what `error` makes, where a write would be."""

    error = None

    def perform_create(self, serializer):
        fault = type(self).error()
        if fault is not None:
            raise fault
        serializer.instance = Connection.objects.get()


def answer_to(error, user):
    members = {
        "error": staticmethod(error),
        "queryset": Connection.objects.all(),
        "serializer_class": TypedSerializer,
    }
    view = type("RefusingNow", (Refusing,), members)
    return call(view, user, "post", data={"type": "REST"}, actions=WRITES)


def test_what_a_model_refuses_is_422_by_the_names_of_the_api(manager):
    refusal = ValidationError({"app": "There is none.", "url": ["Is bad.", "Is long."], "__all__": "Not so."})
    response = answer_to(lambda: refusal, manager)
    assert refused(response) == {"appId": "There is none.", "url": "Is bad. Is long."}
    assert body(response)["msg"] == "Not so."


def test_a_value_that_is_taken_is_409(manager):
    taken = ValidationError({"name": ValidationError("Another app has this name.", code="unique")})
    response = answer_to(lambda: taken, manager)
    assert refused(response, 409) == {}
    assert body(response)["msg"] == "Another app has this name."
    both = ValidationError({**taken.error_dict, "url": [ValidationError("Is bad.")]})
    assert set(refused(answer_to(lambda: both, manager))) == {"name", "url"}


@pytest.mark.parametrize("sent", [{"appId": 2**70}, {"url": "\ud800"}, {"type": "x\udfff"}])
def test_what_no_database_takes_is_refused(sent, manager):
    view = type("Typed", (TypedViewSet,), {"serializer_class": TypedSerializer})
    text = json.dumps({"type": "REST", **sent})
    request = FACTORY.post("/", text, content_type="application/json")
    force_authenticate(request, manager)
    response = view.as_view({"post": "create"})(request)
    assert response.status_code == 422


def test_what_is_in_use_is_409_with_names(manager):
    make("one")
    Connection.objects.update(app=App.objects.create(pk=1, name="WMS"))
    response = call(AppViewSet, manager, "delete", actions=WRITES, pk="1")
    assert refused(response, 409) == {}
    assert body(response)["msg"] == "Still in use by: connection one."
    assert App.objects.exists()
    many = [Connection(pk=number, name=f"c{number:02}") for number in range(22)]
    assert body(answer_to(lambda: RestrictedError("no", set(many)), manager))["msg"].endswith(
        "c19, and 2 more."
    )


@pytest.mark.parametrize(
    ("write", "status", "said"),
    [
        (lambda: App.objects.bulk_create([App(pk=1, name="again")]), 409, "Another record has the same id."),
        (lambda: App.objects.bulk_create([App(name="")]), 422, "Constraint “app_has_a_name” is violated."),
        (lambda: App.objects.bulk_create([App(**{"name": None})]), 422, "name: May not be null."),
    ],
    ids=["unique", "check", "not null"],
)
def test_what_the_database_refuses(write, status, said, manager):
    App.objects.create(pk=1, name="WMS")

    def fail():
        with transaction.atomic():
            write()

    response = answer_to(fail, manager)
    assert response.status_code == status
    assert body(response)["msg"] == said


@pytest.mark.django_db(transaction=True)
def test_a_reference_to_nothing(manager):
    """Foreign keys are checked at the commit."""

    def fail():
        Connection.objects.bulk_create([Connection(name="x", type="REST", app_id=99)])

    assert answer_to(fail, manager).status_code == 409


def test_any_other_error_stays_a_bug(manager):
    with pytest.raises(IntegrityError):
        answer_to(lambda: IntegrityError("nobody knows"), manager)
    with pytest.raises(ZeroDivisionError):
        answer_to(lambda: ZeroDivisionError(), manager)


# Newest first, and pages by id


class LogSerializer(RowSerializer):
    id = serializers.IntegerField()
    status = serializers.IntegerField()


class LogFilter(OperatorFilterSet):
    serializer_class = LogSerializer


class LogViewSet(ResourceViewSet):
    queryset = ConnectionLog.objects.all()
    serializer_class = LogSerializer
    filterset_class = LogFilter
    newest_first = True


@pytest.fixture
def log(db):
    [owner] = make("one")
    ConnectionLog.objects.bulk_create(
        ConnectionLog(pk=pk, connection=owner, status=pk % 2) for pk in range(1, 11)
    )


def follow(user, path):
    """Return the ids of each page, from `path` on, by the links."""
    pages = []
    while path:
        answer = call(LogViewSet, user, path=path)
        pages.append([row["id"] for row in body(answer)])
        path = answer["Link"].removeprefix("<").partition(">")[0] if "Link" in answer else ""
    return pages


def test_a_list_may_begin_with_the_newest(log, reader):
    assert follow(reader, "/?limit=4") == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]
    assert follow(reader, "/?limit=4&orderby=id") == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert follow(reader, "/?limit=2&status=1&orderby=id:desc&page=1") == [[5, 3], [1]]
    assert follow(reader, "/?limit=2&id=[gt]5&id=[lt]9") == [[8, 7], [6]]


def test_the_link_names_the_next_page_by_id(log, reader):
    answer = call(LogViewSet, reader, path="/?limit=4&status=[or]0;1&page=0")
    assert answer["Link"] == (
        '<http://testserver/?limit=4&status=%5Bor%5D0%3B1&page=0&id=%5Blt%5D7>; rel="next"'
    )
    answer = call(LogViewSet, reader, path="/?limit=4&id=%5Blt%5D7")
    assert answer["Link"] == '<http://testserver/?limit=4&id=%5Blt%5D3>; rel="next"'


def test_a_body_that_is_sent_again_moves_no_page(log, reader):
    """A client may follow the link with the same body; the query wins over it."""
    sent = {"limit": 2, "page": 1}
    request = FACTORY.generic("GET", "/", json.dumps(sent), content_type="application/json")
    force_authenticate(request, reader)
    answer = LogViewSet.as_view({"get": "list"})(request)
    assert [row["id"] for row in body(answer)] == [8, 7]
    link = answer["Link"].removeprefix("<").partition(">")[0]
    request = FACTORY.generic("GET", link, json.dumps(sent), content_type="application/json")
    force_authenticate(request, reader)
    assert [row["id"] for row in body(LogViewSet.as_view({"get": "list"})(request))] == [6, 5]


class NumberedSerializer(RowSerializer):
    number = serializers.IntegerField(source="id")


class NumberedFilter(OperatorFilterSet):
    serializer_class = NumberedSerializer


def test_the_link_calls_the_id_as_the_resource_does(log, reader):
    members = {"serializer_class": NumberedSerializer, "filterset_class": NumberedFilter}
    answer = call(type("Numbered", (LogViewSet,), members), reader, path="/?limit=4")
    assert answer["Link"] == '<http://testserver/?limit=4&number=%5Blt%5D7>; rel="next"'


def test_any_other_order_pages_by_page(log, reader):
    answer = call(LogViewSet, reader, path="/?limit=4&orderby=status")
    assert answer["Link"] == '<http://testserver/?limit=4&orderby=status&page=1>; rel="next"'


def test_rows_that_come_meanwhile_move_no_page(log, reader):
    first = call(LogViewSet, reader, path="/?limit=4")
    ConnectionLog.objects.create(pk=11, connection=Connection.objects.get(), status=1)
    next_page = first["Link"].removeprefix("<").partition(">")[0]
    assert [row["id"] for row in body(call(LogViewSet, reader, path=next_page))] == [6, 5, 4, 3]


def test_an_answer_without_rows_has_no_link(db, reader):
    answer = call(LogViewSet, reader)
    assert isinstance(answer, HttpResponse)
    assert (body(answer), "Link" in answer) == ([], False)
