"""Whether the configured keys are those of the database."""

from typing import ClassVar

from django.db import models

from connections.secrets.encryption import keyring


class KeyProof(models.Model):
    """A known text, encrypted. If it can be decrypted, the configured keys are those of this database."""

    TEXT: ClassVar[str] = "the keys of this database"
    ASSOCIATED_DATA: ClassVar[str] = "key proof"

    sealed = models.TextField()

    def __str__(self) -> str:
        return "key proof"

    @classmethod
    def ensure(cls) -> None:
        """Encrypt and store the proof if there is none yet."""
        if not cls.objects.exists():
            cls.renew()

    @classmethod
    def renew(cls) -> None:
        """Encrypt and store the proof with the first key."""
        cls.objects.update_or_create(
            pk=1, defaults={"sealed": keyring().encrypt(cls.TEXT, cls.ASSOCIATED_DATA)}
        )

    @classmethod
    def verify(cls) -> None:
        """Raise `DecryptionError` if the configured keys are not those of this database."""
        proof = cls.objects.first()
        if proof is not None:
            keyring().decrypt(proof.sealed, cls.ASSOCIATED_DATA)
