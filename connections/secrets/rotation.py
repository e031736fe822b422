"""Re-encryption of stored secrets with the first key of `CONNECTION_SECRET_KEYS`, while the site serves."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from connections.models import Connection, KeyProof
from connections.secrets.encryption import DecryptionError
from connections.secrets.holder import SECRETS
from core import redaction

BATCH = 500


@dataclass
class Progress:
    """How many secrets were re-encrypted, and how many could not be decrypted."""

    rotated: int = 0
    unreadable: int = 0


def rotate() -> Iterator[Progress]:
    """Re-encrypt every secret that is on an old key, and yield the progress after each batch.

    Each batch is committed. An interruption loses nothing, and a second run continues where the first one
    ended.
    """
    progress = Progress()
    for secret in SECRETS:
        last = 0
        while batch := list(
            Connection.objects.on_old_keys(secret).filter(pk__gt=last).order_by("pk")[:BATCH]
        ):
            with transaction.atomic():
                for connection in batch:
                    reencrypt(connection, secret, progress)
            last = batch[-1].pk
            redaction.clear()  # the secrets of a batch are in no variable any more
            yield progress
    if remaining() == 0:
        KeyProof.renew()


def reencrypt(connection: Connection, secret: str, progress: Progress) -> None:
    column = f"{secret}_sealed"
    before = getattr(connection, column)
    try:
        ciphertext = connection.reencrypted(secret)
    except DecryptionError:
        progress.unreadable += 1
        return
    # The row is updated only if nobody stored another secret meanwhile. No shown field changes, so the
    # version stays.
    unchanged = Connection.objects.filter(pk=connection.pk, **{column: before})
    progress.rotated += unchanged.update(**{column: ciphertext, "version": F("version")})


def remaining() -> int:
    """Return how many secrets are encrypted with an old key."""
    return sum(Connection.objects.on_old_keys(secret).count() for secret in SECRETS)


def find_unreadable() -> Iterator[tuple[Connection, str, str]]:
    """Yield every secret that cannot be decrypted: the connection, the secret's name, and why."""
    for secret in SECRETS:
        for connection in Connection.objects.with_secret(secret).order_by("pk").iterator(BATCH):
            try:
                connection.reveal(secret)
            except DecryptionError as error:
                yield connection, secret, str(error)
            redaction.clear()
