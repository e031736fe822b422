"""The secrets of a record: how they are stored, what is known of them without opening them, when they may move."""

from collections.abc import Collection, Hashable
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from connections.sealing import keyring
from itempath.scrubbing import remember

SECRETS = ("password", "token", "private_key", "private_headers")

PLACEHOLDER = frozenset("*•●·")

MOVE_REFUSED = (
    "This sends stored secrets to another place, or without a verified certificate. Enter or clear each of them in the same save: {labels}."
)


def is_placeholder(text: str) -> bool:
    """Say whether `text` is a row of asterisks or dots, as forms show in place of a secret."""
    return bool(text.strip()) and set(text.strip()) <= PLACEHOLDER


def values_of(secret: str, text: str) -> list[str]:
    """Return the parts of a secret's text that are secret each: a header's value, or all of it."""
    return [line.partition(":")[2] for line in text.splitlines()] if secret == "private_headers" else [text]  # noqa: S105


def remember_values(secret: str, text: str) -> None:
    """Keep a secret's text out of everything that is written, as a whole and in its parts."""
    for value in (text, *values_of(secret, text)):
        remember(value.strip())


def is_whole(secret: str) -> models.CheckConstraint:
    """A stored secret exists and has its date; one that is expected or absent has neither text nor date."""
    stored = ~Q((f"{secret}_sealed", "")) & Q((f"{secret}_exists", True), (f"{secret}_stored_at__isnull", False))
    absent = Q((f"{secret}_sealed", ""), (f"{secret}_stored_at", None))
    return models.CheckConstraint(name=f"connection_{secret}_is_whole", condition=absent | stored)


class Trusted(NamedTuple):
    """The secrets that are stored, and where they go."""

    destinations: set[Hashable]
    sealed: dict[str, str]


class SecretHolder(models.Model):
    """A record with secrets. Each has its sealed text, whether there is one to have, and since when it is stored.

    A secret that exists without a sealed text is expected and was not entered yet.
    """

    # What seals are bound to: a new row has no id yet.
    uid = models.UUIDField(default=uuid4, unique=True, editable=False)
    password_sealed = models.TextField(default="", blank=True, editable=False)
    password_exists = models.BooleanField(default=False, editable=False)
    password_stored_at = models.DateTimeField(null=True, editable=False)
    token_sealed = models.TextField(default="", blank=True, editable=False)
    token_exists = models.BooleanField(default=False, editable=False)
    token_stored_at = models.DateTimeField(null=True, editable=False)
    private_key_sealed = models.TextField(default="", blank=True, editable=False)
    private_key_exists = models.BooleanField(default=False, editable=False)
    private_key_stored_at = models.DateTimeField(null=True, editable=False)
    private_headers_sealed = models.TextField(default="", blank=True, editable=False)
    private_headers_exists = models.BooleanField(default=False, editable=False)
    private_headers_stored_at = models.DateTimeField(null=True, editable=False)

    # As the row was read; `None` for one that was not.
    trusted: Trusted | None = None

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        record = super().from_db(*args, **kwargs)
        if not record.get_deferred_fields():
            record.note_trusted()
        return record

    def refresh_from_db(self, using: Any = None, fields: Any = None, from_queryset: Any = None) -> None:
        super().refresh_from_db(using, fields, from_queryset)
        if fields is None:
            self.note_trusted()

    def destinations(self) -> set[Hashable]:
        """Return everything that secrets are entrusted to, in a form that can be compared."""
        raise NotImplementedError

    def note_trusted(self) -> None:
        sealed = {secret: getattr(self, f"{secret}_sealed") for secret in SECRETS}
        self.trusted = Trusted(self.destinations(), {secret: text for secret, text in sealed.items() if text})

    def moves(self) -> bool:
        """Say whether secrets would go somewhere that they did not go when the record was read."""
        return self.trusted is not None and not self.destinations() <= self.trusted.destinations

    def stay_put(self) -> None:
        """Refuse to send a stored secret elsewhere. Raises `ValidationError`.

        Otherwise an editor who may not read a password could have it sent to a host of their own.
        """
        if self.trusted is None or not self.moves():
            return
        kept = [secret for secret, sealed in self.trusted.sealed.items() if getattr(self, f"{secret}_sealed") == sealed]
        if kept:
            labels = ", ".join(secret.replace("_", " ") for secret in kept)
            raise ValidationError(MOVE_REFUSED.format(labels=labels), code="secrets_would_move")

    def stay_put_in_row(self, using: str, update_fields: Collection[str] | None) -> None:
        """Hold what a save will write against the row as it stands, and lock it.

        The record may have been read in part, or not at all, or before another writer stored a secret.
        """
        row = type(self)._default_manager.using(using).select_for_update().filter(pk=self.pk).first() if self.pk else None
        if row is None:
            return
        deferred = self.get_deferred_fields()
        for field in self._meta.concrete_fields:
            written = update_fields is None or field.name in update_fields or field.attname in update_fields
            if written and not field.generated and field.attname not in deferred:
                setattr(row, field.attname, getattr(self, field.attname))
        row.stay_put()

    @sensitive_variables()
    def set_secret(self, secret: str, text: str) -> None:
        """Seal `text` as the record's `secret`, one of `SECRETS`; an empty text clears it. Saves nothing.

        Raises `ValidationError` for a row of asterisks or dots: some form's placeholder, and nobody's password.
        """
        remember_values(secret, text)
        if any(is_placeholder(value) for value in values_of(secret, text)):
            raise ValidationError("This is a placeholder, not a secret.", code="placeholder")
        self.put_secret(secret, keyring().seal(text, self.place(secret)) if text else "", exists=bool(text))

    def clear_secret(self, secret: str) -> None:
        self.put_secret(secret, "", exists=False)

    def expect_secret(self, secret: str) -> None:
        """Note that there is a secret which was not entered here yet; what was stored is dropped."""
        self.put_secret(secret, "", exists=True)

    def put_secret(self, secret: str, sealed: str, *, exists: bool) -> None:
        setattr(self, f"{secret}_sealed", sealed)
        setattr(self, f"{secret}_exists", exists)
        setattr(self, f"{secret}_stored_at", timezone.now() if sealed else None)

    def has_stored(self, secret: str) -> bool:
        return bool(getattr(self, f"{secret}_sealed"))

    def stored_at(self, secret: str) -> datetime | None:
        moment: datetime | None = getattr(self, f"{secret}_stored_at")
        return moment

    def describe_secret(self, secret: str) -> str:
        """Say what is known of a secret without opening it."""
        if moment := self.stored_at(secret):
            return f"stored since {moment:%Y-%m-%d %H:%M} UTC"
        return "expected, not entered" if getattr(self, f"{secret}_exists") else "none"

    @sensitive_variables()
    def reveal(self, secret: str) -> str:
        """Return a stored secret in clear, `""` if none is stored. Raises `sealing.Unreadable`."""
        sealed = getattr(self, f"{secret}_sealed")
        text = keyring().open(sealed, self.place(secret)) if sealed else ""
        remember_values(secret, text)
        return text

    @sensitive_variables()
    def sealed_anew(self, secret: str) -> str:
        """Return a stored secret sealed with the first key. Raises `sealing.Unreadable`."""
        return keyring().seal(self.reveal(secret), self.place(secret))

    def place(self, secret: str) -> str:
        return f"connection:{self.uid}:{secret}"
