"""The registry: apps, their connections to other systems, and the integrations that use them."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connections, models, transaction
from django.db.models import Count, ExpressionWrapper, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from connections.addresses.parsing import parse_address, parse_endpoint, parse_token_url
from connections.choices import Authentication, ConnectionType
from connections.destinations import DESTINATION_FIELDS, Destination, destinations_of
from connections.headers import header_of, parse_headers, refuse_api_key_header, refuse_headers
from connections.names import name_key
from connections.recording import record_results
from connections.secrets.encryption import DecryptionError, keyring
from connections.secrets.holder import SECRETS, SecretHolder, secret_is_consistent
from connections.secrets.key_check import KeyProof as KeyProof
from connections.versions import next_version
from core.db.bulk import insert, insert_instances, upsert
from core.examples import Example, ExampleQuerySet, with_field
from logs.models import ConnectionLog


class App(Example):
    """A system that owns connections, such as the warehouse software or the ERP."""

    name = models.CharField(max_length=255)

    objects = ExampleQuerySet["App"].as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.CheckConstraint(name="app_has_a_name", condition=~Q(name=""))]

    def __str__(self) -> str:
        return self.name


# The columns of ciphertexts. A rotation of keys writes them anew, and edits nothing.
CIPHERTEXTS = frozenset(f"{secret}_sealed" for secret in SECRETS)

# The number of PostgreSQL's advisory lock for the names of connections without an app, which have no row to
# lock. Any other number would do.
NAMES_WITHOUT_APP = 7_262_035


class ConnectionQuerySet(models.QuerySet["Connection"]):
    """Every write through the ORM raises the version and keeps the name's key.

    `update()` and `bulk_create()` do so here, `save()` beside it.
    """

    def update(self, **values: Any) -> int:
        if unguarded := values.keys() & DESTINATION_FIELDS:
            raise TypeError(
                f"{', '.join(sorted(unguarded))} decide where secrets go. "
                "save() each connection: it asks for the secrets."
            )
        edited = {"demo": False} if edits(values.keys() - CIPHERTEXTS) else {}
        return super().update(**{"version": next_version(self.db)} | key_of(values) | edited | values)

    def bulk_update(
        self, objs: Iterable["Connection"], fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> int:
        rows, names = list(objs), set(fields)
        if "name" in names:
            names.add("name_key")
            for row in rows:
                row.name_key = name_key(row.name)
        return super().bulk_update(rows, names, *args, **kwargs)

    def bulk_create(self, objs: Iterable["Connection"], *args: Any, **kwargs: Any) -> list["Connection"]:
        if kwargs.get("update_conflicts") or len(args) > 2:  # the third is update_conflicts
            raise TypeError("upsert() the connections: it asks for the secrets of those that move.")
        return super().bulk_create(self.with_new_version(objs), *args, **kwargs)

    def insert(self, objs: Iterable["Connection"]) -> None:
        """Insert connections that have their primary keys, as `core.db.bulk.insert` does."""
        insert_instances(self.model, self.with_new_version(objs))

    def with_new_version(self, objs: Iterable["Connection"]) -> list["Connection"]:
        connections, version = list(objs), next_version(self.db)
        for connection in connections:
            connection.version = version
            connection.name_key = name_key(connection.name)
        return connections

    def upsert(self, connections: list["Connection"]) -> None:
        """Write rows that were read in this transaction, whole, in one statement a batch."""
        rows = (
            self.model.objects.using(self.db)
            .select_for_update()
            .in_bulk([connection.pk for connection in connections])
        )
        for connection in connections:
            if connection._state.adding or connection.get_deferred_fields() or connection.pk not in rows:
                raise TypeError("upsert() takes connections that were read whole.")
            connection.refuse_redirection_from(rows[connection.pk])
            connection.entered = {}
        plain: models.QuerySet[Connection] = models.QuerySet(self.model, using=self.db)
        upsert(plain, self.with_new_version(connections), keep=("uid", "integration_count"))

    def named(self, name: str) -> Self:
        """Return the connections of this name, in any letter case."""
        return self.filter(name_key=name_key(name))

    def holding_secrets(self) -> Self:
        """Return the connections that have any secret stored."""
        return self.exclude(**{f"{secret}_sealed": "" for secret in SECRETS})

    def with_secret(self, secret: str) -> Self:
        """Return the connections that have `secret` stored."""
        return self.exclude(**{f"{secret}_sealed": ""})

    def on_old_keys(self, secret: str) -> Self:
        """Return the connections whose `secret` is encrypted with another key than the first."""
        return self.with_secret(secret).exclude(**{f"{secret}_sealed__startswith": keyring().prefix})

    def record(self, results: Iterable[ConnectionLog]) -> list[ConnectionLog]:
        """Write the results of checks in one transaction of at most six statements.

        Each result is a new log entry, whose `creation_date` is the moment of the check. The newest result of
        a connection sets its `status`, `last_check` and `latest_log`, and on success its `latest_connection`.
        A result that is older than what is recorded already is only logged. Return the entries that were
        written, with their ids. Results of connections that were deleted meanwhile are left out.
        """
        return record_results(self.model._default_manager.using(self.db).all(), list(results))

    def recount_integrations(self, **along: Any) -> None:
        """Set `integration_count` from the integrations, and the fields in `along`.

        To be called in the transaction that changed the integrations.

        The rows are locked first: a writer who waited for another one then counts that one's rows too.
        """
        locked = list(self.order_by("pk").select_for_update().values_list("pk", flat=True))
        counted = Integration.objects.filter(connection=models.OuterRef("pk")).order_by().values("connection")
        count = Coalesce(Subquery(counted.annotate(n=Count("pk")).values("n")), 0)
        self.model.objects.filter(pk__in=locked).update(integration_count=count, **along)


def edits(names: Collection[str]) -> bool:
    """Return whether a write of these fields is an edit, which gets an audit entry."""
    return not {name.removesuffix("_id") for name in names} <= {*Connection.UNRECORDED}


def key_of(values: dict[str, Any]) -> dict[str, str]:
    """Return what else an update of a name writes."""
    if "name" not in values or "name_key" in values:
        return {}
    if not isinstance(values["name"], str):
        raise TypeError("The database cannot fold a name as names are compared: save() each connection.")
    return {"name_key": name_key(values["name"])}


# How each address of a connection is read.
ADDRESSES = {"url": parse_address, "token_url": parse_token_url, "test_endpoint": parse_endpoint}


class Connection(SecretHolder):
    """How to reach another system, with the secrets for it and what the last check found."""

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, null=True, blank=True, related_name="connections", db_index=False
    )
    name = models.CharField(max_length=255)
    # `names.name_key()` of the name, to find another connection of this name. Folding can turn one letter
    # into three, so the column is three times as long.
    name_key = models.CharField(max_length=765, default="", editable=False)
    type = models.CharField(max_length=100)
    authentication = models.CharField(max_length=100, blank=True, default=Authentication.NONE)
    url = models.CharField("address", max_length=2000, blank=True)
    username = models.CharField(max_length=255, blank=True)

    test_endpoint = models.CharField(max_length=2000, blank=True)
    database_name = models.CharField(max_length=255, blank=True)
    # [{"name": "X-Site", "value": "7"}]; those whose values are secret are in `private_headers`
    headers = models.JSONField("extra headers", default=list, blank=True)
    api_key_header = models.CharField("API key header", max_length=255, blank=True)
    token_url = models.CharField("token URL", max_length=2000, blank=True)
    scope = models.CharField(max_length=500, blank=True)
    timeout = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="Seconds that a check may take; empty: 10.",
    )
    verify_certificate = models.BooleanField(default=True)

    status = models.SmallIntegerField(default=0, editable=False)
    latest_connection = models.DateTimeField(null=True, editable=False)
    creation_date = models.DateTimeField(default=timezone.now, editable=False)
    last_check = models.DateTimeField(null=True, editable=False)
    # Stored, so that a list need not search the log for it. The foreign key keeps the latest entry of a
    # connection from being deleted. With DO_NOTHING, Django deletes a connection's log in one statement,
    # however long it is.
    latest_log = models.ForeignKey(
        "logs.ConnectionLog", on_delete=models.DO_NOTHING, null=True, editable=False, related_name="+"
    )
    integration_count = models.PositiveIntegerField(default=0, editable=False)
    version = models.BigIntegerField(editable=False)
    # Shipped as an example, and not edited since.
    demo = models.BooleanField(default=False, editable=False)

    is_testable = models.GeneratedField(
        expression=ExpressionWrapper(
            Q(type__in=ConnectionType.values) & Q(authentication__in=["", *Authentication.values]),
            output_field=models.BooleanField(),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    # What the audit leaves out: what checks and counters write, and what only accompanies a secret.
    UNRECORDED: ClassVar[tuple[str, ...]] = (
        *(
            "uid",
            "demo",
            "version",
            "name_key",
            "status",
            "latest_connection",
            "last_check",
            "latest_log",
            "integration_count",
            "is_testable",
        ),
        *(f"{secret}_stored_at" for secret in SECRETS),
    )

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        # Chosen by the query plans at a million rows (docs/performance.md). Each check writes to all of them.
        indexes = [
            models.Index(fields=["app", "id"], name="connections_of_app"),
            models.Index(fields=["name", "id"], name="connection_by_name"),
            models.Index(fields=["creation_date", "id"], name="connection_by_creation"),
            models.Index(fields=["last_check", "id"], name="connection_by_check"),
            # Whether a name is taken within its app; also an import's search for names that came twice.
            models.Index(fields=["app", "name_key"], name="connection_by_app_and_key"),
            # What monitors ask for every minute, and find nothing.
            models.Index(fields=["id"], name="connections_down", condition=Q(status=0)),
        ]
        constraints = [
            models.CheckConstraint(name="connection_has_a_name", condition=~Q(name="")),
            models.CheckConstraint(name="connection_has_a_type", condition=~Q(type="")),
            models.CheckConstraint(name="connection_status_is_0_or_1", condition=Q(status__in=[0, 1])),
            models.CheckConstraint(
                name="connection_timeout_is_bounded", condition=Q(timeout=None) | Q(timeout__range=(1, 60))
            ),
            *(secret_is_consistent(secret) for secret in SECRETS),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            self.refuse_redirected_secrets(using, kwargs.get("update_fields"))
            self.version = next_version(using)
            derived = {"version", *self.derive(kwargs.get("update_fields"))}
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], *derived}
            super().save(*args, **kwargs)
        self.entered = {}

    def derive(self, update_fields: Collection[str] | None) -> set[str]:
        """Set what follows from the fields that a save writes; return the fields to write with them."""
        derived = set()
        if "name" not in self.get_deferred_fields() and (update_fields is None or "name" in update_fields):
            self.name_key = name_key(self.name)
            derived.add("name_key")
        if not self._state.adding and (update_fields is None or edits(update_fields)):
            self.demo = False
            derived.add("demo")
        return derived

    @transaction.atomic
    def clean(self) -> None:
        """Check what forms and scripts entered. Raises `ValidationError` with every fault, by field.

        Refused are secrets in fields that everyone reads, headers that the call itself writes, a name that is
        taken, and a stored secret that would go to another destination.
        """
        faults: dict[str, Any] = {}
        for check in (self.check_addresses, self.check_headers, self.check_name):
            try:
                check()
            except ValidationError as error:
                faults = error.update_error_dict(faults)
        if faults:
            raise ValidationError(faults)
        self.refuse_redirected_secrets()

    def check_addresses(self) -> None:
        """Refuse addresses that hold or may hold a secret: everyone sees them. Tidy the others."""
        faults = {}
        for field, parse in ADDRESSES.items():
            address = parse(getattr(self, field))
            if address.refusal:
                faults[field] = address.refusal
            else:
                setattr(self, field, address.text)
        if faults:
            raise ValidationError(faults)

    def check_headers(self) -> None:
        """Refuse extra headers that no client sends, or that the call or the authentication writes itself."""
        own = header_of(self.authentication, self.api_key_header)
        refuse_headers("headers", self.headers, own=own)
        if self.api_key_header:
            refuse_api_key_header(self.api_key_header)
        if self.entered.get("private_headers"):
            refuse_headers("private_headers", parse_headers(self.reveal("private_headers")), own=own)
        elif own and own in self.private_header_names():
            raise ValidationError(
                {"private_headers": f"There is {own} among them, which the authentication writes."}
            )

    def private_header_names(self) -> set[str]:
        """Return the names of the stored private headers, in lower case; none if they do not open."""
        try:
            lines = self.reveal("private_headers").splitlines()
        except DecryptionError:
            return set()
        return {line.partition(":")[0].strip().lower() for line in lines}

    @transaction.atomic
    def check_name(self) -> None:
        """Refuse a name that another connection of the same app has, in any letter case.

        There is a possible race: two saves of one name at the same time could each overlook the other. To
        avoid it, whoever checks in a transaction holds a lock until the transaction ends. Imports do not
        check names. A duplicate that an import brought keeps its name until somebody changes it.
        """
        self.lock_names()
        same = Connection.objects.filter(app=self.app_id).named(self.name).values_list("pk", "name")
        if dict(same).get(self.pk) != self.name and any(pk != self.pk for pk, _ in same):
            raise ValidationError({"name": "Another connection of this app has this name."})

    def lock_names(self) -> None:
        """Let only one transaction at a time check the names of an app. SQLite has one writer anyway."""
        if self.app_id is not None:
            # Weaker than the lock of a delete: connections that only point to the app go on.
            list(App.objects.select_for_update(no_key=True).filter(pk=self.app_id).values_list("pk"))
        elif connections["default"].vendor == "postgresql":
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NAMES_WITHOUT_APP])

    def destinations(self) -> set[Destination]:
        return destinations_of(self)


class IntegrationQuerySet(models.QuerySet["Integration"]):
    """Every write through the ORM keeps the connections' counters, and makes them no examples any more."""

    def bulk_create(self, objs: Iterable["Integration"], *args: Any, **kwargs: Any) -> list["Integration"]:
        with transaction.atomic(using=self.db):
            created = super().bulk_create(objs, *args, **kwargs)
            Connection.objects.filter(
                pk__in={integration.connection_id for integration in created}
            ).recount_integrations(demo=False)
        return created

    def add_placeholders(self, counts: dict[int, range]) -> None:
        """Insert placeholder integrations; `counts` has the numbers in their names, by connection.

        The caller sets or recounts the counters of the connections, in the same transaction.
        """
        rows = (
            (f"Integration {number}", pk, True, True) for pk, numbers in counts.items() for number in numbers
        )
        insert(self.model, ("name", "connection", "active", "placeholder"), rows)

    def update(self, **values: Any) -> int:
        values = {"placeholder": False} | values
        if not values.keys() & {"connection", "connection_id"}:
            return super().update(**values)
        with transaction.atomic(using=self.db):
            moving = list(self.order_by().values_list("pk", "connection_id"))
            updated = super().update(**values)
            now = Integration.objects.filter(pk__in=[pk for pk, _ in moving]).values_list(
                "connection_id", flat=True
            )
            Connection.objects.filter(
                pk__in={*now, *(connection for _, connection in moving)}
            ).recount_integrations(demo=False)
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(using=self.db):
            affected = set(self.order_by().values_list("connection_id", flat=True))
            deleted = super().delete()
            Connection.objects.filter(pk__in=affected).recount_integrations(demo=False)
        return deleted


class Integration(models.Model):
    """Something that uses a connection, such as an order import."""

    name = models.CharField(max_length=255)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="integrations")
    active = models.BooleanField(default=True)
    # Made by an import, which is told how many there are and not which.
    placeholder = models.BooleanField(default=False, editable=False)

    objects = IntegrationQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        before = (
            type(self).objects.filter(pk=self.pk).values_list("connection_id", flat=True) if self.pk else ()
        )
        affected = {*before, self.connection_id}
        if not self._state.adding:
            self.placeholder = False  # somebody named it: no import takes it away
            kwargs["update_fields"] = with_field(kwargs.get("update_fields"), "placeholder")
        super().save(*args, **kwargs)
        Connection.objects.filter(pk__in=affected).recount_integrations(demo=False)

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        connection = Connection.objects.filter(pk=self.connection_id)
        deleted = super().delete(*args, **kwargs)
        connection.recount_integrations(demo=False)
        return deleted
