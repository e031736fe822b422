"""Work items of four types, the organizations that own them, and the links between two of them."""

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

# The largest number of ids in one query: some builds of SQLite take at most 32,766 parameters.
SLICE_SIZE = 30_000
T = TypeVar("T")
HAS_LINKS = "It has links, and a link never crosses organizations: remove its links first."


class Organization(Example):
    """Owns work items. Only its members and superusers see and link them over the API."""

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
    """Clear the example flag of organizations whose members change.

    This receiver of `m2m_changed` sees every change, as members are changed through Django alone.
    """
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    changed = Organization.objects.using(kwargs["using"])
    if reverse and action == "pre_clear":
        changed.filter(members=instance.pk).keep()
    else:
        changed.filter(pk__in=pk_set or () if reverse else [instance.pk]).keep()


class NumberField(models.FloatField[Any, Any]):
    """A float that is read as an integer if it is whole, so that JSON has 3 and not 3.0."""

    def from_db_value(self, value: float | None, *args: Any) -> float | int | None:
        return int(value) if value is not None and value.is_integer() else value


class WorkItemQuerySet(models.QuerySet[Any]):
    """Guards every write through the ORM: a record that has links cannot move to another organization.

    Every write also clears the example flag of the organizations concerned, so that imports leave them alone.
    """

    def visible_to(self, user: User) -> Self:
        """Return the records of the organizations of which `user` is a member; a superuser sees all."""
        if user.is_superuser:
            return self
        mine = Organization.members.through._default_manager.filter(user=user.pk)
        return self.filter(organization__in=mine.values("organization"))

    def linked(self) -> Self:
        """Return the records that have a link."""
        return self.filter(
            models.Exists(Link.objects.filter(**{self.model._meta.model_name: models.OuterRef("pk")}))
        )

    def lock_organizations(self, pks: Iterable[int]) -> dict[int, int]:
        """Lock the records with these ids, in order, as far as they exist; return their organization ids."""
        rows = self.order_by("pk").select_for_update(no_key=True).values_list("pk", "organization_id")
        return {pk: found for each in sliced(sorted(pks)) for pk, found in rows.filter(pk__in=each)}

    def organizations(self) -> ExampleQuerySet[Organization]:
        """Return the organizations of these records."""
        return Organization.objects.using(self.db).filter(pk__in=self.order_by().values("organization"))

    def update(self, **values: Any) -> int:
        with transaction.atomic(using=self.db):
            self.organizations().keep()
            if values.keys() & {"organization", "organization_id"}:
                return self.update_organization(values)
            return super().update(**values)

    def update_organization(self, values: dict[str, Any]) -> int:
        """Write values that may change the organization; return the number of rows.

        The organizations are compared after the write, as the new one may be an expression. Raises
        `ValidationError`, which undoes the write, if a record that has links would move.
        """
        every = self.model._default_manager.using(self.db)
        before = every.lock_organizations(self.order_by().values_list("pk", flat=True))
        updated = super().update(**values)
        after = every.lock_organizations(before)
        every.refuse_linked(pk for pk, organization_id in after.items() if organization_id != before[pk])
        Organization.objects.using(self.db).filter(pk__in=set(after.values())).keep()
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(using=self.db):
            self.organizations().keep()
            return super().delete()

    delete.queryset_only = True  # type: ignore[attr-defined]  # as in Django: managers have no `delete()`

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        rows = list(objs)
        with transaction.atomic(using=self.db):
            # `update_conflicts` is the third positional argument.
            if kwargs.get("update_conflicts") or len(args) > 2:
                self.refuse_moves([row for row in rows if row.pk])
            Organization.objects.using(self.db).filter(pk__in={row.organization_id for row in rows}).keep()
            return super().bulk_create(rows, *args, **kwargs)

    def refuse_moves(self, rows: Collection["WorkItem"]) -> None:
        """Lock the stored records of `rows`. Raises `ValidationError` if one that has links would move."""
        every = self.model._default_manager.using(self.db)
        stored = every.lock_organizations(row.pk for row in rows)
        every.refuse_linked(
            row.pk for row in rows if stored.get(row.pk, row.organization_id) != row.organization_id
        )

    def refuse_linked(self, pks: Iterable[int]) -> None:
        """Raises `ValidationError` if one of the records has a link.

        The caller has locked the records, so nobody adds a link meanwhile.
        """
        if any(self.filter(pk__in=each).linked().exists() for each in sliced(pks)):
            raise ValidationError({"organization": HAS_LINKS})


def sliced(keys: Iterable[T]) -> Iterator[list[T]]:
    """Split ids or names into lists of at most `SLICE_SIZE`, each of which fits into one query."""
    rest = iter(keys)
    while each := list(islice(rest, SLICE_SIZE)):
        yield each


def user_field(related_name: str) -> Any:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name=related_name
    )


class WorkItem(models.Model):
    """The fields that all four types share.

    The clients give `status_id` its meaning; the registry only stores it.
    """

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="%(class)ss")
    title = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001  # null in the API: no description
    status_id = models.IntegerField("status id", null=True, blank=True)
    created_by = user_field("created_%(class)ss")
    archived = models.BooleanField(default=False)

    objects = WorkItemQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["id"]
        base_manager_name = "objects"  # so that `organization.items.add()` is guarded too

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        """Raises `ValidationError` if the record has links and its organization changed."""
        if self.pk and self.organization_id:
            self.refuse_move()

    def refuse_move(self, using: str = "default") -> None:
        with transaction.atomic(using=using):
            WorkItemQuerySet(type(self), using=using).refuse_moves([self])

    def save(self, *args: Any, **kwargs: Any) -> None:
        using, fields = kwargs.get("using") or "default", kwargs.get("update_fields")
        with transaction.atomic(using=using):
            if self.pk and (fields is None or {"organization", "organization_id"} & set(fields)):
                self.refuse_move(using)
            self.keep_examples(using)
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            self.keep_examples(using)
            return super().delete(*args, **kwargs)

    def keep_examples(self, using: str) -> None:
        """Clear the example flag of the record's organization and of the one that is stored with it."""
        stored = WorkItemQuerySet(type(self), using=using).filter(pk=self.pk)
        either = Q(pk=self.organization_id) | Q(pk__in=stored.values("organization"))
        Organization.objects.using(using).filter(either).keep()


class Mailed(models.Model):
    """A work item with the addresses that clients mail changes to: `!ann@example.com!bob@example.com!`."""

    mailers = models.TextField(null=True, blank=True)  # noqa: DJ001  # null in the API: no addresses

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
    """A work item with a position in a list that people sort by hand."""

    order_index = models.IntegerField(null=True, blank=True, default=0)

    class Meta:
        abstract = True


class Item(WorkItem, Planned, Mailed, Ordered):
    """A story or task. Clients store what it belongs to as the name of a table and an id."""

    owner_id = models.BigIntegerField("owner id", null=True, blank=True)
    owner_table = models.CharField(max_length=50, null=True, blank=True)  # noqa: DJ001  # null in the API: no owner


class Bug(WorkItem, Mailed):
    assignee = user_field("assigned_%(class)ss")
    reported_by = user_field("reported_%(class)ss")
    severity = models.CharField(max_length=50, null=True, blank=True)  # noqa: DJ001  # null in the API: not judged yet


class Backlog(WorkItem, Planned):
    """A list of items."""


class Initiative(WorkItem, Mailed, Ordered):
    horizon = models.DateField(null=True, blank=True)


# The order in which rows are locked, the same for every writer so that no two of them deadlock.
WORK_ITEMS: tuple[type[WorkItem], ...] = (Item, Bug, Backlog, Initiative)
# The fields of a link that point to a work item: the names of the four types.
ENDS = tuple(str(model._meta.model_name) for model in WORK_ITEMS)
PAIRS = tuple(combinations(ENDS, 2))
# Organization ids by the name of a type and the id of a record.
OrganizationIds = dict[str, dict[int, int]]


def lock_organizations(
    ends: Mapping[str, Iterable[int]], user: User | None = None, using: str = "default"
) -> OrganizationIds:
    """Lock work items, given as ids by type; return their organization ids.

    Records that do not exist and those that `user` may not see are left out. It takes one query for each
    type, always in the same order.
    """
    found: OrganizationIds = {}
    for model, end in zip(WORK_ITEMS, ENDS, strict=True):
        if end in ends:
            queryset = WorkItemQuerySet(model, using=using)
            found[end] = (queryset.visible_to(user) if user else queryset).lock_organizations(ends[end])
    return found


class LinkQuerySet(models.QuerySet["Link"]):
    """Guards every write through the ORM: a link joins two records of one organization."""

    def of(self, end: str, pk: int) -> Self:
        """Return the links of the record `pk` of the type named `end`."""
        return self.filter(**{end: pk})

    def leading_to(self, end: str, pks: Collection[int]) -> Self:
        """Return the links to any of the records `pks` of the type named `end`."""
        return self.filter(**{f"{end}__in": pks})

    def visible_to(self, user: User, end: str) -> Self:
        """Return the links whose `end` `user` may see; the other end has the same organization."""
        if user.is_superuser:
            return self
        mine = Organization.members.through._default_manager.filter(user=user.pk)
        return self.filter(**{f"{end}__organization__in": mine.values("organization")})

    def with_titles(self) -> Self:
        """Fetch the two records of each link along with it, but only their titles."""
        return self.select_related(*ENDS).only(*ENDS, *(f"{end}__title" for end in ENDS))

    def bulk_create(self, objs: Iterable["Link"], *args: Any, **kwargs: Any) -> list["Link"]:
        links = list(objs)
        with transaction.atomic(using=self.db):
            organization_ids = lock_organizations(ends_of(links), using=self.db)
            for link in links:
                link.check_ends(organization_ids)
            organizations_of(organization_ids, self.db).keep()
            return super().bulk_create(links, *args, **kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(using=self.db):
            for model in WORK_ITEMS:
                WorkItemQuerySet(model, using=self.db).filter(
                    links__in=self.order_by()
                ).organizations().keep()
            return super().delete()

    delete.queryset_only = True  # type: ignore[attr-defined]  # as in Django

    def add(self, links: Iterable["Link"]) -> None:
        """Insert links whose ends the caller has locked and compared. Links that exist stay as they are."""
        super().bulk_create(links, ignore_conflicts=True)

    def update(self, **values: Any) -> int:
        if values.keys() & {*ENDS, *(f"{end}_id" for end in ENDS)}:
            raise TypeError("save() each link: it compares the organizations of its ends.")
        return super().update(**values)

    def remove(self) -> None:
        """Delete the links in one statement. Nothing refers to a link, so no other rows have to go first."""
        self._raw_delete(self.db)


def ends_of(links: Iterable["Link"]) -> dict[str, set[int]]:
    """Return the ids that `links` join, by type."""
    found: dict[str, set[int]] = {}
    for link in links:
        for end, pk in link.ends().items():
            found.setdefault(end, set()).add(pk)
    return found


def organizations_of(organization_ids: OrganizationIds, using: str) -> ExampleQuerySet[Organization]:
    """Return the organizations that `lock_organizations()` found."""
    pks = {pk for found in organization_ids.values() for pk in found.values()}
    return Organization.objects.using(using).filter(pk__in=pks)


def pair_only(first: str, second: str) -> Q:
    """Return the condition that these two ends are filled and the others are null."""
    return Q(**{f"{end}__isnull": end not in (first, second) for end in ENDS})


def end_field(to: str) -> Any:
    # The database itself deletes the links of a deleted record (migration 0002). `Link.Meta` has the index.
    return models.ForeignKey(
        to, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="links", db_index=False
    )


class Link(models.Model):
    """Joins two records of different types and one organization. It has no direction."""

    item = end_field("workitems.Item")
    bug = end_field("workitems.Bug")
    backlog = end_field("workitems.Backlog")
    initiative = end_field("workitems.Initiative")

    objects = LinkQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        base_manager_name = "objects"  # so that `item.links.add()` is guarded too
        constraints = [
            models.CheckConstraint(
                name="link_joins_two_kinds",
                condition=reduce(or_, (pair_only(*pair) for pair in PAIRS)),
                violation_error_message="A link joins two records of different kinds: choose exactly two.",
            ),
            # These also serve the query for one link: the links of a pair are a small part of the table.
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
            # These serve the API's list of a record's links and the deletion of links with their record.
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
        """Return the ids of the two records, by type."""
        pks = {end: getattr(self, f"{end}_id") for end in ENDS}
        return {end: pk for end, pk in pks.items() if pk is not None}

    def check_ends(self, organization_ids: OrganizationIds) -> None:
        """Raises `ValidationError` unless both ends are in `organization_ids`, with the same organization."""
        organizations = [organization_ids.get(end, {}).get(pk) for end, pk in self.ends().items()]
        if None in organizations:
            raise ValidationError("One of the two records does not exist.")
        if len(set(organizations)) > 1:
            raise ValidationError(
                "The two records belong to different organizations; a link never crosses organizations."
            )

    @transaction.atomic
    def clean(self) -> None:
        self.check_ends(lock_organizations(ends_of([self])))

    def save(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            organization_ids = lock_organizations(ends_of([self]), using=using)
            self.check_ends(organization_ids)
            organizations_of(organization_ids, using).keep()
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        using = kwargs.get("using") or "default"
        with transaction.atomic(using=using):
            organizations_of(lock_organizations(ends_of([self]), using=using), using).keep()
            return super().delete(*args, **kwargs)
