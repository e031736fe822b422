"""Work items of four kinds, the organisations that they belong to, and the links between two of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import reduce
from itertools import combinations, islice
from operator import or_
from typing import Any, Self, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q

from accounts.models import User
from core.examples import Example, ExampleQuerySet

# Ids in one look-up: some builds of SQLite take 32,766 parameters.
SLICE = 30_000
T = TypeVar("T")
STAYS = "It has links, and a link never crosses organisations: remove its links first."


class Organization(Example):
    """Who may see what: its members see and link its work items, nobody else does."""

    name = models.CharField(max_length=255)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="organizations")

    objects = ExampleQuerySet["Organization"].as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.CheckConstraint(name="organization_has_a_name", condition=~Q(name=""))]

    def __str__(self) -> str:
        return self.name


def keep_examples(
    action: str,
    instance: models.Model,
    reverse: bool,
    pk_set: Collection[int] | None,
    **kwargs: Any,
) -> None:
    """Make an organisation whose members change no example any more. Members change through Django alone."""
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    changed = Organization.objects.using(kwargs["using"])
    if reverse and action == "pre_clear":
        changed.filter(members=instance.pk).keep()
    else:
        changed.filter(pk__in=pk_set or () if reverse else [instance.pk]).keep()


class NumberField(models.FloatField[Any, Any]):
    """A number as JSON has it: 3 is read as 3, not as 3.0."""

    def from_db_value(self, value: float | None, *args: Any) -> float | int | None:
        return int(value) if value is not None and value.is_integer() else value


class WorkItemQuerySet(models.QuerySet[Any]):
    """Every write through the ORM keeps records that have links in their organisation.

    An example of which a record was written is none from then on: imports leave the whole of it.
    """

    def visible_to(self, user: User) -> Self:
        """Return what `user` may see: what belongs to their organisations; a superuser sees everything."""
        if user.is_superuser:
            return self
        mine = Organization.members.through._default_manager.filter(user=user.pk)
        return self.filter(organization__in=mine.values("organization"))

    def linked(self) -> Self:
        """Return the records that have a link."""
        return self.filter(
            models.Exists(Link.objects.filter(**{self.model._meta.model_name: models.OuterRef("pk")}))
        )

    def places(self, pks: Iterable[int]) -> dict[int, int]:
        """Lock those of `pks` that are there, in the order of their ids; return the organisation of each."""
        rows = self.order_by("pk").select_for_update(no_key=True).values_list("pk", "organization_id")
        return {
            pk: organization for each in sliced(sorted(pks)) for pk, organization in rows.filter(pk__in=each)
        }

    def organizations(self) -> ExampleQuerySet[Organization]:
        """Return the organisations of these records."""
        return Organization.objects.using(self.db).filter(pk__in=self.order_by().values("organization"))

    def update(self, **values: Any) -> int:
        with transaction.atomic(using=self.db):
            self.organizations().keep()
            moves = values.keys() & {"organization", "organization_id"}
            return self.move(values) if moves else super().update(**values)

    def move(self, values: dict[str, Any]) -> int:
        every = self.model._default_manager.using(self.db)
        before = every.places(self.order_by().values_list("pk", flat=True))
        updated = super().update(**values)
        after = every.places(before)
        every.refuse_linked(pk for pk, place in after.items() if place != before[pk])
        Organization.objects.using(self.db).filter(pk__in=set(after.values())).keep()
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(using=self.db):
            self.organizations().keep()
            return super().delete()

    delete.queryset_only = True  # type: ignore[attr-defined]  # as Django's: no manager deletes a whole table

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        rows = list(objs)
        with transaction.atomic(using=self.db):
            if kwargs.get("update_conflicts") or len(args) > 2:  # the third is update_conflicts
                self.stay([row for row in rows if row.pk])
            Organization.objects.using(self.db).filter(pk__in={row.organization_id for row in rows}).keep()
            return super().bulk_create(rows, *args, **kwargs)

    def stay(self, rows: Collection["WorkItem"]) -> None:
        """Lock what is stored of `rows`. Raises `ValidationError` if one has links and would change its organisation."""
        every = self.model._default_manager.using(self.db)
        stored = every.places(row.pk for row in rows)
        every.refuse_linked(
            row.pk for row in rows if stored.get(row.pk, row.organization_id) != row.organization_id
        )

    def refuse_linked(self, moving: Iterable[int]) -> None:
        """Raises `ValidationError` if one of the records has a link; they are locked, so that none is added meanwhile."""
        if any(self.filter(pk__in=each).linked().exists() for each in sliced(moving)):
            raise ValidationError({"organization": STAYS})


def sliced(keys: Iterable[T]) -> Iterator[list[T]]:
    """Split ids or names into lists that fit into one look-up each."""
    rest = iter(keys)
    while each := list(islice(rest, SLICE)):
        yield each


def user_field(related_name: str) -> Any:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name=related_name
    )


class WorkItem(models.Model):
    """What the four kinds share. The ids of statuses are plain numbers of the clients' own."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="%(class)ss")
    title = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001  # the API's null: there is none
    status_id = models.IntegerField("status id", null=True, blank=True)
    created_by = user_field("created_%(class)ss")
    archived = models.BooleanField(default=False)

    objects = WorkItemQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["id"]
        base_manager_name = "objects"  # `organization.items.add()` writes through it

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        """Refuse another organisation for a record that has links."""
        if self.pk and self.organization_id:
            self.stay()

    def stay(self, using: str = "default") -> None:
        with transaction.atomic(using=using):
            WorkItemQuerySet(type(self), using=using).stay([self])

    def save(self, *args: Any, **kwargs: Any) -> None:
        using, fields = kwargs.get("using") or "default", kwargs.get("update_fields")
        with transaction.atomic(using=using):
            if self.pk and (fields is None or {"organization", "organization_id"} & set(fields)):
                self.stay(using)
            self.keep_examples(using)
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            self.keep_examples(using)
            return super().delete(*args, **kwargs)

    def keep_examples(self, using: str) -> None:
        """Make the organisation, and the one that the record comes from, no examples any more."""
        stored = WorkItemQuerySet(type(self), using=using).filter(pk=self.pk)
        places = models.Q(pk=self.organization_id) | models.Q(pk__in=stored.values("organization"))
        Organization.objects.using(using).filter(places).keep()


class Mailed(models.Model):
    """A work item whose changes are mailed: `!ann@example.com!bob@example.com!`."""

    mailers = models.TextField(null=True, blank=True)  # noqa: DJ001  # the API's null: there are none

    class Meta:
        abstract = True


class Planned(models.Model):
    """A work item that is estimated and scheduled."""

    assignee = user_field("assigned_%(class)ss")
    points = NumberField(null=True, blank=True, default=0)
    forecasted_release = models.DateTimeField(null=True, blank=True)
    actual_release = models.DateTimeField(null=True, blank=True)
    planned_on = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Ordered(models.Model):
    """A work item with a place in a list that people sort by hand."""

    order_index = models.IntegerField(null=True, blank=True, default=0)

    class Meta:
        abstract = True


class Item(WorkItem, Planned, Mailed, Ordered):
    """A story or task. What it belongs to is a table's name and an id, as clients keep it."""

    owner_id = models.BigIntegerField("owner id", null=True, blank=True)
    owner_table = models.CharField(max_length=50, null=True, blank=True)  # noqa: DJ001  # the API's null: it has no owner


class Bug(WorkItem, Mailed):
    assignee = user_field("assigned_%(class)ss")
    reported_by = user_field("reported_%(class)ss")
    severity = models.CharField(max_length=50, null=True, blank=True)  # noqa: DJ001  # the API's null: not judged yet


class Backlog(WorkItem, Planned):
    """A list of items."""


class Initiative(WorkItem, Mailed, Ordered):
    horizon = models.DateField(null=True, blank=True)


# In the order in which rows are locked, so that no two writers wait for each other, and new links are made.
WORK_ITEMS: tuple[type[WorkItem], ...] = (Item, Bug, Backlog, Initiative)
ENDS = tuple(str(model._meta.model_name) for model in WORK_ITEMS)
PAIRS = tuple(combinations(ENDS, 2))
OrganizationIds = dict[str, dict[int, int]]


def lock_organizations(
    ends: Mapping[str, Iterable[int]], user: User | None = None, using: str = "default"
) -> OrganizationIds:
    """Lock records, given as ids by kind; return the organisation of each that is there and that `user` may see.

    One query a kind, always in the same order.
    """
    found: OrganizationIds = {}
    for model, end in zip(WORK_ITEMS, ENDS, strict=True):
        if end in ends:
            queryset = WorkItemQuerySet(model, using=using)
            found[end] = (queryset.visible_to(user) if user else queryset).places(ends[end])
    return found


class LinkQuerySet(models.QuerySet["Link"]):
    """Links of any origin join two records of one organisation: `save()` sees to it, and `bulk_create()` here."""

    def of(self, end: str, pk: int) -> Self:
        """Return the links of one record."""
        return self.filter(**{end: pk})

    def leading_to(self, end: str, pks: Collection[int]) -> Self:
        """Return the links that lead to any of some records of one kind."""
        return self.filter(**{f"{end}__in": pks})

    def visible_to(self, user: User, end: str) -> Self:
        """Return the links whose `end`, and so whose other end, `user` may see."""
        if user.is_superuser:
            return self
        mine = Organization.members.through._default_manager.filter(user=user.pk)
        return self.filter(**{f"{end}__organization__in": mine.values("organization")})

    def with_titles(self) -> Self:
        """Return links with the records that they join, and their titles alone."""
        return self.select_related(*ENDS).only(*ENDS, *(f"{end}__title" for end in ENDS))

    def bulk_create(self, objs: Iterable["Link"], *args: Any, **kwargs: Any) -> list["Link"]:
        links = list(objs)
        with transaction.atomic(using=self.db):
            places = lock_organizations(ends_of(links), using=self.db)
            for link in links:
                link.check_ends(places)
            organizations_of(places, self.db).keep()
            return super().bulk_create(links, *args, **kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(using=self.db):
            for model in WORK_ITEMS:
                WorkItemQuerySet(model, using=self.db).filter(
                    links__in=self.order_by()
                ).organizations().keep()
            return super().delete()

    delete.queryset_only = True  # type: ignore[attr-defined]  # as Django's

    def add(self, links: Iterable["Link"]) -> None:
        """Insert links whose ends the caller has locked and compared; one that is there already stays as it is."""
        super().bulk_create(links, ignore_conflicts=True)

    def update(self, **values: Any) -> int:
        if values.keys() & {*ENDS, *(f"{end}_id" for end in ENDS)}:
            raise TypeError("save() each link: it compares the organisations of its ends.")
        return super().update(**values)

    def remove(self) -> None:
        """Delete in one statement; nothing hangs on a link."""
        self._raw_delete(self.db)


def ends_of(links: Iterable["Link"]) -> dict[str, set[int]]:
    """Return the ids that `links` join, by kind."""
    found: dict[str, set[int]] = {}
    for link in links:
        for end, pk in link.ends().items():
            found.setdefault(end, set()).add(pk)
    return found


def organizations_of(places: OrganizationIds, using: str) -> ExampleQuerySet[Organization]:
    """Return the organisations that `lock_organizations()` found."""
    pks = {pk for found in places.values() for pk in found.values()}
    return Organization.objects.using(using).filter(pk__in=pks)


def pair_only(first: str, second: str) -> Q:
    """Return a condition: these two ends are filled, and no other."""
    return Q(**{f"{end}__isnull": end not in (first, second) for end in ENDS})


def end_field(to: str) -> Any:
    # The database deletes links with their ends, in one statement, whoever deletes (0002). Their index is below.
    return models.ForeignKey(
        to, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="links", db_index=False
    )


class Link(models.Model):
    """Joins two records of different kinds and one organisation. It has no direction."""

    item = end_field("workitems.Item")
    bug = end_field("workitems.Bug")
    backlog = end_field("workitems.Backlog")
    initiative = end_field("workitems.Initiative")

    objects = LinkQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        base_manager_name = "objects"  # `item.links.add()` writes through it
        constraints = [
            models.CheckConstraint(
                name="link_joins_two_kinds",
                condition=reduce(or_, (pair_only(*pair) for pair in PAIRS)),
                violation_error_message="A link joins two records of different kinds: choose exactly two.",
            ),
            # Also what looks for one link: those of a pair are a small part of the table.
            *(
                models.UniqueConstraint(
                    name=f"link_of_{first}_and_{second}",
                    fields=[first, second],
                    condition=Q(**{f"{first}__isnull": False, f"{second}__isnull": False}),
                    violation_error_message="This link is there already.",
                )
                for first, second in PAIRS
            ),
        ]
        indexes = [
            # The links of a record by id, as the API lists them; also what goes with a record that is deleted.
            *(
                models.Index(
                    name=f"links_of_{end}", fields=[end, "id"], condition=Q(**{f"{end}__isnull": False})
                )
                for end in ENDS
            ),
        ]

    def __str__(self) -> str:
        return " and ".join(f"{end} {pk}" for end, pk in self.ends().items())

    def ends(self) -> dict[str, int]:
        """Return the ids of the two records, by kind."""
        pks = {end: getattr(self, f"{end}_id") for end in ENDS}
        return {end: pk for end, pk in pks.items() if pk is not None}

    def check_ends(self, places: OrganizationIds) -> None:
        """Raises `ValidationError` unless both ends are in `places`, with the same organisation."""
        organizations = [places.get(end, {}).get(pk) for end, pk in self.ends().items()]
        if None in organizations:
            raise ValidationError("One of the two records does not exist.")
        if len(set(organizations)) > 1:
            raise ValidationError(
                "The two records belong to different organisations; a link never crosses organisations."
            )

    @transaction.atomic
    def clean(self) -> None:
        self.check_ends(lock_organizations(ends_of([self])))

    def save(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            places = lock_organizations(ends_of([self]), using=using)
            self.check_ends(places)
            organizations_of(places, using).keep()
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            organizations_of(lock_organizations(ends_of([self]), using=using), using).keep()
            return super().delete(*args, **kwargs)
