"""The secrets of a record: how they are stored, and what keeps a save from sending them elsewhere."""

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
from connections.destinations import Destination, is_redirected
from connections.headers import CONTROL, LINE_END, parse_headers, write_headers
from connections.secrets.encryption import keyring
from core import redaction

SECRETS = ("password", "token", "private_key", "private_headers")

PLACEHOLDER_SIGNS = frozenset("*•●·")

REDIRECTION_REFUSED = (
    "This sends stored secrets to another place, or without a verified certificate. "
    "Enter or clear each of them in the same save: {labels}."
)


def is_placeholder(text: str) -> bool:
    """Return whether `text` is a row of asterisks or dots, as forms show in place of a secret."""
    return bool(text.strip()) and set(text.strip()) <= PLACEHOLDER_SIGNS


def values_of(secret: str, text: str) -> list[str]:
    """Return the parts of a secret's text that are secret: the values of headers, or the whole text."""
    return [line.partition(":")[2] for line in text.splitlines()] if secret == "private_headers" else [text]  # noqa: S105


def redact_values(secret: str, text: str) -> None:
    """Keep a secret's text, and each part of it, out of logs and error reports."""
    for value in (text, *values_of(secret, text)):
        redaction.add(value.strip())


def clean_token(text: str) -> str:
    """Return a token without the blanks, line ends and invisible characters that a paste adds at both ends.

    A token is sent as the value of a header. Raises `ValidationError` if it has a control character inside.
    """
    token = trim(text)
    if CONTROL.search(token):
        raise ValidationError("A token has no line ends and no other control characters.", code="control")
    return token


def clean_key(text: str) -> str:
    """Return a private key with LF line ends and one LF at its end.

    Browsers send CR LF, and OpenSSH reads no key with that.
    """
    lines = LINE_END.sub("\n", trim(text))
    return f"{lines}\n" if lines else ""


def clean_headers(text: str) -> str:
    return write_headers(parse_headers(text))


# How the text of each secret is cleaned before it is encrypted. A password may begin or end with blanks, so
# it stays as it is.
CLEANERS: dict[str, Callable[[str], str]] = {
    "token": clean_token,
    "private_key": clean_key,
    "private_headers": clean_headers,
}


def secret_is_consistent(secret: str) -> models.CheckConstraint:
    """Return a constraint: a stored secret exists and has a date; any other has no ciphertext and no date."""
    stored = ~Q((f"{secret}_sealed", "")) & Q(
        (f"{secret}_exists", True), (f"{secret}_stored_at__isnull", False)
    )
    absent = Q((f"{secret}_sealed", ""), (f"{secret}_stored_at", None))
    return models.CheckConstraint(name=f"connection_{secret}_is_whole", condition=absent | stored)


class SecretHolder(models.Model):
    """A record with secrets. Each has a ciphertext, a flag that it exists, and the date when it was stored.

    A secret that exists without a ciphertext is expected and was not entered yet. The columns `*_sealed` hold
    the ciphertexts. They keep the name that they have in released databases and backups.
    """

    # Ciphertexts are bound to this and not to the primary key, which a new row does not have yet.
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

    # The ciphertexts of the secrets that were entered since the record was saved, `""` for those that were
    # cleared.
    entered: Mapping[str, str] = MappingProxyType({})

    class Meta:
        abstract = True

    def destinations(self) -> set[Destination]:
        """Return all destinations that the secrets are sent to."""
        raise NotImplementedError

    def refuse_redirected_secrets(
        self, using: str = DEFAULT_DB_ALIAS, update_fields: Collection[str] | None = None
    ) -> None:
        """Refuse a save that sends a stored secret elsewhere and neither replaces nor clears it.

        Otherwise an editor who may not read a password could have it sent to a host of their own. Raises
        `ValidationError`.

        What the save will write is compared with the row as it is stored, which stays locked until the
        transaction ends: the record may have been read in part, or not at all, or before another writer
        stored a secret. A copy of the record is found by its `uid`.
        """
        rows = (
            type(self)
            ._default_manager.using(using)
            .select_for_update()
            .filter(Q(pk=self.pk) | Q(uid=self.uid))
        )
        for row in rows:
            self.row_after_save(row, update_fields).refuse_redirection_from(row)

    def row_after_save(self, row: Self, update_fields: Collection[str] | None) -> Self:
        """Return a copy of the stored `row` as it will be after this record is saved."""
        after, deferred = copy(row), self.get_deferred_fields()
        for field in self._meta.concrete_fields:
            written = update_fields is None or field.name in update_fields or field.attname in update_fields
            if written and not field.generated and field.attname not in deferred:
                setattr(after, field.attname, getattr(self, field.attname))
        after.entered = self.entered
        return after

    def refuse_redirection_from(self, before: Self) -> None:
        """Do as `refuse_redirected_secrets` does, for a record that will overwrite `before`, locked."""
        kept = [secret.replace("_", " ") for secret in SECRETS if self.keeps_secret(secret, before)]
        if kept and self.is_redirected(before):
            raise ValidationError(
                REDIRECTION_REFUSED.format(labels=", ".join(kept)), code="secrets_redirected"
            )

    def keeps_secret(self, secret: str, before: Self) -> bool:
        """Return whether the secret that is stored in `before` was neither entered anew nor cleared here.

        A ciphertext that differs was not necessarily entered: a rotation encrypts the same secret with a new
        key.
        """
        ciphertext = getattr(self, f"{secret}_sealed")
        replaced = (
            ciphertext != getattr(before, f"{secret}_sealed") and self.entered.get(secret) == ciphertext
        )
        return before.has_stored(secret) and not replaced

    def is_redirected(self, before: Self) -> bool:
        """Return whether secrets would be sent to a destination that they are not sent to by `before`."""
        return is_redirected(before.destinations(), self.destinations())

    @sensitive_variables()
    def set_secret(self, secret: str, text: str) -> None:
        """Encrypt `text` as the record's `secret`, one of `SECRETS`; an empty text clears it. Saves nothing.

        Blanks and invisible characters that a paste adds are removed. Raises `ValidationError` for a row of
        asterisks or dots, which is a form's placeholder and nobody's password, and for malformed private
        headers.
        """
        redact_values(secret, text)
        text = CLEANERS.get(secret, str)(text)
        redact_values(secret, text)
        if any(is_placeholder(value) for value in values_of(secret, text)):
            raise ValidationError("This is a placeholder, not a secret.", code="placeholder")
        self.set_secret_columns(
            secret, keyring().encrypt(text, self.associated_data(secret)) if text else "", exists=bool(text)
        )

    def clear_secret(self, secret: str) -> None:
        self.set_secret_columns(secret, "", exists=False)

    def expect_secret(self, secret: str) -> None:
        """Record that there is a secret which was not entered here yet, and drop what was stored."""
        self.set_secret_columns(secret, "", exists=True)

    def set_secret_columns(self, secret: str, ciphertext: str, *, exists: bool) -> None:
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
        """Return what is known of a secret without decrypting it, as a text for people."""
        if moment := self.stored_at(secret):
            return f"stored since {moment:%Y-%m-%d %H:%M} UTC"
        return "expected, not entered" if getattr(self, f"{secret}_exists") else "none"

    @sensitive_variables()
    def reveal(self, secret: str) -> str:
        """Return a stored secret decrypted, `""` if none is stored. Raises `DecryptionError`."""
        ciphertext = getattr(self, f"{secret}_sealed")
        text = keyring().decrypt(ciphertext, self.associated_data(secret)) if ciphertext else ""
        redact_values(secret, text)
        return text

    @sensitive_variables()
    def reencrypted(self, secret: str) -> str:
        """Return the ciphertext of a stored secret with the first key. Raises `DecryptionError`."""
        return keyring().encrypt(self.reveal(secret), self.associated_data(secret))

    def associated_data(self, secret: str) -> str:
        return f"connection:{self.uid}:{secret}"
