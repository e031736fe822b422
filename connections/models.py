"""The registry: apps, their connections to other systems, and the integrations that use them."""

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Count, ExpressionWrapper, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from connections.addresses import names_a_host, parse_address
from connections.kinds import Authentication, ConnectionType
from connections.sealing import keyring
from connections.secrets import SECRETS, SecretHolder, is_whole
from connections.versions import next_version
from itempath.bulk import insert, insert_instances, overwrite

# The fields behind `Connection.destinations()`; the type is one where the address has no scheme.
MOVING = frozenset({"url", "database_name", "token_url", "test_endpoint", "verify_certificate"})


class App(models.Model):
    """A system that owns connections, such as the warehouse software or the ERP."""

    name = models.CharField(max_length=255)
    demo = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.CheckConstraint(name="app_has_a_name", condition=~Q(name=""))]

    def __str__(self) -> str:
        return self.name


class ConnectionQuerySet(models.QuerySet["Connection"]):
    """Every write through the ORM raises the version: `update()` here, `save()` and `bulk_create()` beside it."""

    def update(self, **values: Any) -> int:
        if unguarded := values.keys() & MOVING:
            raise TypeError(f"{', '.join(sorted(unguarded))} decide where secrets go: save() each connection, which asks for them.")
        if "type" in values and self.exclude(url__contains="://").holding_secrets().exists():
            raise TypeError("Without a scheme, the type decides where secrets go: save() each connection, which asks for them.")
        return super().update(**{"version": next_version(self.db)} | values)

    def bulk_create(self, objs: Iterable["Connection"], *args: Any, **kwargs: Any) -> list["Connection"]:
        if kwargs.get("update_conflicts") or len(args) > 2:  # the third is update_conflicts
            raise TypeError("overwrite() the connections: it asks for the secrets of those that move.")
        return super().bulk_create(self.numbered(objs), *args, **kwargs)

    def insert(self, objs: Iterable["Connection"]) -> None:
        """Insert connections that have their primary keys, as `itempath.bulk.insert` does."""
        insert_instances(self.model, self.numbered(objs))

    def numbered(self, objs: Iterable["Connection"]) -> list["Connection"]:
        connections, version = list(objs), next_version(self.db)
        for connection in connections:
            connection.version = version
        return connections

    def overwrite(self, connections: list["Connection"]) -> None:
        """Write rows that were read (and locked) in this transaction, whole, in one statement a batch."""
        for connection in connections:
            if connection.trusted is None:
                raise TypeError("overwrite() takes connections that were read whole.")
            connection.stay_put()
        plain: models.QuerySet[Connection] = models.QuerySet(self.model, using=self.db)
        overwrite(plain, self.numbered(connections), keep=("uid", "integration_count"))

    def holding_secrets(self) -> Self:
        """Return the connections that have any secret stored."""
        return self.exclude(**{f"{secret}_sealed": "" for secret in SECRETS})

    def with_secret(self, secret: str) -> Self:
        """Return the connections that have `secret` stored."""
        return self.exclude(**{f"{secret}_sealed": ""})

    def on_old_keys(self, secret: str) -> Self:
        """Return the connections whose `secret` is sealed with another key than the first."""
        return self.with_secret(secret).exclude(**{f"{secret}_sealed__startswith": keyring().prefix})

    def recount_integrations(self) -> None:
        """Set `integration_count` from the integrations; to be called in the transaction that changed them.

        The rows are locked first: a writer who waited for another one then counts that one's rows too.
        """
        locked = list(self.order_by("pk").select_for_update().values_list("pk", flat=True))
        counted = Integration.objects.filter(connection=models.OuterRef("pk")).order_by().values("connection")
        count = Coalesce(Subquery(counted.annotate(n=Count("pk")).values("n")), 0)
        self.model.objects.filter(pk__in=locked).update(integration_count=count)


class Connection(SecretHolder):
    """How to reach another system, with the secrets for it and what the last check found."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, null=True, blank=True, related_name="connections", db_index=False)
    name = models.CharField(max_length=255)
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
    # Stored, so that no list looks for it in the log. The database refuses to delete a log entry that is the latest of
    # its connection; DO_NOTHING lets a connection go with its log in one statement, whatever the log's length.
    latest_log = models.ForeignKey("logs.ConnectionLog", on_delete=models.DO_NOTHING, null=True, editable=False, related_name="+")
    integration_count = models.PositiveIntegerField(default=0, editable=False)
    version = models.BigIntegerField(editable=False)
    # Shipped as an example, and not edited since.
    demo = models.BooleanField(default=False, editable=False)

    is_testable = models.GeneratedField(
        expression=ExpressionWrapper(
            Q(type__in=ConnectionType.values) & Q(authentication__in=["", *Authentication.values]), output_field=models.BooleanField()
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    # What the record of changes leaves out: what checks and counters write, and what goes along with a secret.
    UNRECORDED: ClassVar[tuple[str, ...]] = (
        *("uid", "demo", "version", "status", "latest_connection", "last_check", "latest_log", "integration_count", "is_testable"),
        *(f"{secret}_stored_at" for secret in SECRETS),
    )

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        # Chosen by the plans at a million rows (docs/performance.md); each check of a connection writes to all of them.
        indexes = [
            models.Index(fields=["app", "id"], name="connections_of_app"),
            models.Index(fields=["name", "id"], name="connection_by_name"),
            models.Index(fields=["creation_date", "id"], name="connection_by_creation"),
            models.Index(fields=["last_check", "id"], name="connection_by_check"),
            # What monitors ask for every minute, and find nothing.
            models.Index(fields=["id"], name="connections_down", condition=Q(status=0)),
        ]
        constraints = [
            models.CheckConstraint(name="connection_has_a_name", condition=~Q(name="")),
            models.CheckConstraint(name="connection_has_a_type", condition=~Q(type="")),
            models.CheckConstraint(name="connection_status_is_0_or_1", condition=Q(status__in=[0, 1])),
            models.CheckConstraint(name="connection_timeout_is_bounded", condition=Q(timeout=None) | Q(timeout__range=(1, 60))),
            *(is_whole(secret) for secret in SECRETS),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            self.stay_put()
            self.stay_put_in_row(using, kwargs.get("update_fields"))
            self.version = next_version(using)
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "version"}
            super().save(*args, **kwargs)
        self.note_trusted()

    def clean(self) -> None:
        """Refuse a user name or a password in an address: addresses are shown. Refuse a move, and a name that is taken."""
        for field in ("url", "token_url", "test_endpoint"):
            if parse_address(getattr(self, field)).has_user_info:
                raise ValidationError({field: "User name and password have fields of their own; an address is shown to everyone."})
        self.check_name()
        self.stay_put()

    def check_name(self) -> None:
        """Refuse a name that another connection of the same app has, in any letter case.

        Imports do not ask; a duplicate that came in by one keeps its name until somebody changes it.
        """
        if type(self).objects.filter(pk=self.pk, app=self.app_id, name=self.name).exists():
            return
        others = type(self).objects.filter(app=self.app_id).exclude(pk=self.pk).values_list("name", flat=True)
        if any(name.casefold() == self.name.casefold() for name in others.iterator()):
            raise ValidationError({"name": "Another connection of this app has this name."})

    def destinations(self) -> set[Hashable]:
        address = parse_address(self.url)
        protocol = address.scheme.lower() or self.type  # without a scheme the type decides on protocol and port
        places: set[Hashable] = {(protocol, address.target, self.database_name)}
        if self.token_url:
            places.add(("token URL", parse_address(self.token_url).target))
        if names_a_host(self.test_endpoint):
            places.add(("test endpoint", parse_address(self.test_endpoint).target))
        return places if self.verify_certificate else places | {"without a verified certificate"}


class IntegrationQuerySet(models.QuerySet["Integration"]):
    """Every write through the ORM keeps the connections' counters."""

    def bulk_create(self, objs: Iterable["Integration"], *args: Any, **kwargs: Any) -> list["Integration"]:
        with transaction.atomic(using=self.db):
            created = super().bulk_create(objs, *args, **kwargs)
            Connection.objects.filter(pk__in={integration.connection_id for integration in created}).recount_integrations()
        return created

    def add_placeholders(self, counts: dict[int, range]) -> None:
        """Insert numbered integrations by connection; the caller sets or recounts the connections' counters, in the same transaction."""
        rows = ((f"Integration {number}", pk, True, True) for pk, numbers in counts.items() for number in numbers)
        insert(self.model, ("name", "connection", "active", "placeholder"), rows)

    def update(self, **values: Any) -> int:
        if not values.keys() & {"connection", "connection_id"}:
            return super().update(**values)
        with transaction.atomic(using=self.db):
            moving = list(self.order_by().values_list("pk", "connection_id"))
            updated = super().update(**values)
            now = Integration.objects.filter(pk__in=[pk for pk, _ in moving]).values_list("connection_id", flat=True)
            Connection.objects.filter(pk__in={*now, *(connection for _, connection in moving)}).recount_integrations()
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(using=self.db):
            affected = set(self.order_by().values_list("connection_id", flat=True))
            deleted = super().delete()
            Connection.objects.filter(pk__in=affected).recount_integrations()
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
        before = type(self).objects.filter(pk=self.pk).values_list("connection_id", flat=True) if self.pk else ()
        affected = {*before, self.connection_id}
        super().save(*args, **kwargs)
        Connection.objects.filter(pk__in=affected).recount_integrations()

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        connection = Connection.objects.filter(pk=self.connection_id)
        deleted = super().delete(*args, **kwargs)
        connection.recount_integrations()
        return deleted


class KeyProof(models.Model):
    """A known text, sealed: shows that the configured keys are those of this database, without opening any secret."""

    TEXT: ClassVar[str] = "the keys of this database"
    PLACE: ClassVar[str] = "key proof"

    sealed = models.TextField()

    def __str__(self) -> str:
        return "key proof"

    @classmethod
    def ensure(cls) -> None:
        """Seal the proof if there is none yet."""
        if not cls.objects.exists():
            cls.renew()

    @classmethod
    def renew(cls) -> None:
        """Seal the proof with the first key."""
        cls.objects.update_or_create(pk=1, defaults={"sealed": keyring().seal(cls.TEXT, cls.PLACE)})

    @classmethod
    def verify(cls) -> None:
        """Raise `sealing.Unreadable` if the configured keys are not those of this database."""
        proof = cls.objects.first()
        if proof is not None:
            keyring().open(proof.sealed, cls.PLACE)
