"""The secrets of a record: how they are stored, what is known of them unopened, when they may move."""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from datetime import datetime
from types import MappingProxyType
from typing import Self
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from connections.characters import trim
from connections.destinations import Destination, leads_elsewhere
from connections.headers import CONTROL, LINE_END, parse_headers, write_headers
from connections.secrets.encryption import keyring
from core import redaction

SECRETS = ("password", "token", "private_key", "private_headers")

PLACEHOLDER = frozenset("*•●·")
MOVE_REFUSED = (
    "This sends stored secrets to another place, or without a verified certificate."
    " Enter or clear each of them in the same save: {labels}."
)


def is_placeholder(text: str) -> bool:
    """Say whether `text` is a row of asterisks or dots, as forms show in place of a secret."""
    return bool(text.strip()) and set(text.strip()) <= PLACEHOLDER


def values_of(secret: str, text: str) -> list[str]:
    """Return the parts of a secret's text that are secret each: a header's value, or all of it."""
    return [line.partition(":")[2] for line in text.splitlines()] if secret == "private_headers" else [text]  # noqa: S105


def redact_values(secret: str, text: str) -> None:
    """Keep a secret's text out of everything that is written, as a whole and in its parts."""
    for value in (text, *values_of(secret, text)):
        redaction.add(value.strip())


def clean_token(text: str) -> str:
    """Return a token without what a paste brings along at both ends: blanks, line ends, invisible characters.

    It is sent as the value of a header. Raises `ValidationError` for one that has a control character inside.
    """
    token = trim(text)
    if CONTROL.search(token):
        raise ValidationError("A token has no line ends and no other control characters.", code="control")
    return token


def clean_key(text: str) -> str:
    """Return a private key with LF line ends and one at its end.

    Browsers send CR LF, with which OpenSSH reads no key.
    """
    lines = LINE_END.sub("\n", trim(text))
    return f"{lines}\n" if lines else ""


def clean_headers(text: str) -> str:
    return write_headers(parse_headers(text))


# What is left of a text that was pasted. A password may have blanks of its own, and stays as it is.
CLEANED: dict[str, Callable[[str], str]] = {
    "token": clean_token,
    "private_key": clean_key,
    "private_headers": clean_headers,
}


def secret_is_consistent(secret: str) -> models.CheckConstraint:
    """A stored secret exists and has its date; one that is expected or absent has neither text nor date."""
    stored = ~Q((f"{secret}_sealed", "")) & Q(
        (f"{secret}_exists", True), (f"{secret}_stored_at__isnull", False)
    )
    absent = Q((f"{secret}_sealed", ""), (f"{secret}_stored_at", None))
    return models.CheckConstraint(name=f"connection_{secret}_is_whole", condition=absent | stored)


class SecretHolder(models.Model):
    """A record with secrets: the ciphertext of each, whether there is one, and since when it is stored.

    A secret that exists without a ciphertext text is expected and was not entered yet.
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

    # The ciphertext texts that were entered or cleared since the record was saved, by secret.
    entered: Mapping[str, str] = MappingProxyType({})

    class Meta:
        abstract = True

    def destinations(self) -> set[Destination]:
        """Return everything that secrets are entrusted to."""
        raise NotImplementedError

    def refuse_redirected_secrets(
        self, using: str = DEFAULT_DB_ALIAS, update_fields: Collection[str] | None = None
    ) -> None:
        """Refuse to send a stored secret elsewhere, unless it is entered or cleared along with that.

        Raises `ValidationError`.

        Otherwise an editor who may not read a password could have it sent to a host of their own.

        Holds what a save will write against the row as it stands, and locks it until the transaction ends:
        the record may have been read in part, or not at all, or before another writer stored a secret. A copy
        has the row's `uid`.
        """
        rows = (
            type(self)
            ._default_manager.using(using)
            .select_for_update()
            .filter(Q(pk=self.pk) | Q(uid=self.uid))
        )
        for row in rows:
            self.written_onto(row, update_fields).refuse_redirection_from(row)

    def written_onto(self, row: Self, update_fields: Collection[str] | None) -> Self:
        """Return what `row` will be after a save of the record."""
        after, deferred = copy(row), self.get_deferred_fields()
        for field in self._meta.concrete_fields:
            written = update_fields is None or field.name in update_fields or field.attname in update_fields
            if written and not field.generated and field.attname not in deferred:
                setattr(after, field.attname, getattr(self, field.attname))
        after.entered = self.entered
        return after

    def refuse_redirection_from(self, before: Self) -> None:
        """As `refuse_redirected_secrets`, for a record that is written over `before`, whose row is locked."""
        kept = [secret.replace("_", " ") for secret in SECRETS if self.keeps(secret, before)]
        if kept and self.is_redirected(before):
            raise ValidationError(MOVE_REFUSED.format(labels=", ".join(kept)), code="secrets_would_move")

    def keeps(self, secret: str, before: Self) -> bool:
        """Return whether the secret that `before` stores was neither entered anew nor cleared in this record.

        Another ciphertext text alone is none that was entered: new keys seal the same secret anew.
        """
        ciphertext = getattr(self, f"{secret}_sealed")
        replaced = (
            ciphertext != getattr(before, f"{secret}_sealed") and self.entered.get(secret) == ciphertext
        )
        return before.has_stored(secret) and not replaced

    def is_redirected(self, before: Self) -> bool:
        """Say whether secrets would go somewhere that they do not go from `before`."""
        return leads_elsewhere(before.destinations(), self.destinations())

    @sensitive_variables()
    def set_secret(self, secret: str, text: str) -> None:
        """Seal `text` as the record's `secret`, one of `SECRETS`; an empty text clears it. Saves nothing.

        What comes along with a paste is left out. Raises `ValidationError` for a row of asterisks or dots,
        some form's placeholder and nobody's password, and for private headers that are none.
        """
        redact_values(secret, text)
        text = CLEANED.get(secret, str)(text)
        redact_values(secret, text)
        if any(is_placeholder(value) for value in values_of(secret, text)):
            raise ValidationError("This is a placeholder, not a secret.", code="placeholder")
        self.put_secret(
            secret, keyring().encrypt(text, self.associated_data(secret)) if text else "", exists=bool(text)
        )

    def clear_secret(self, secret: str) -> None:
        self.put_secret(secret, "", exists=False)

    def expect_secret(self, secret: str) -> None:
        """Note that there is a secret which was not entered here yet; what was stored is dropped."""
        self.put_secret(secret, "", exists=True)

    def put_secret(self, secret: str, ciphertext: str, *, exists: bool) -> None:
        setattr(self, f"{secret}_sealed", ciphertext)
        setattr(self, f"{secret}_exists", exists)
        setattr(self, f"{secret}_stored_at", timezone.now() if ciphertext else None)
        self.entered = {**self.entered, secret: ciphertext}

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
        """Return a stored secret in clear, `""` if none is stored. Raises `DecryptionError`."""
        ciphertext = getattr(self, f"{secret}_sealed")
        text = keyring().decrypt(ciphertext, self.associated_data(secret)) if ciphertext else ""
        redact_values(secret, text)
        return text

    @sensitive_variables()
    def reencrypted(self, secret: str) -> str:
        """Return a stored secret sealed with the first key. Raises `DecryptionError`."""
        return keyring().encrypt(self.reveal(secret), self.associated_data(secret))

    def associated_data(self, secret: str) -> str:
        return f"connection:{self.uid}:{secret}"
