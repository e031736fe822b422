"""Encryption of stored secrets: AES-256-GCM, bound to the row and the field.

A ciphertext reads `v1.<key id>.<nonce and encrypted bytes in URL-safe base64>`. The row and the field are its
associated data, so that a ciphertext that is copied to another row or column cannot be decrypted.
"""

import base64
import hashlib
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

VERSION = "v1"
NONCE_BYTES = 12


class DecryptionError(Exception):
    """A ciphertext cannot be decrypted: its key is missing, it was altered, or its associated data differ."""


class Keyring:
    """The keys of `CONNECTION_SECRET_KEYS`: the first encrypts, all of them decrypt."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.ciphers = {key_id(key): AESGCM(base64.urlsafe_b64decode(key)) for key in keys}
        self.current = key_id(keys[0])
        self.prefix = f"{VERSION}.{self.current}."

    def encrypt(self, text: str, associated_data: str) -> str:
        """Return `text` encrypted with the first key and bound to `associated_data`."""
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = nonce + self.ciphers[self.current].encrypt(
            nonce, text.encode(), associated_data.encode()
        )
        return self.prefix + base64.urlsafe_b64encode(ciphertext).decode()

    def decrypt(self, ciphertext: str, associated_data: str) -> str:
        """Return the plain text. Raises `DecryptionError`, whose message contains no secret."""
        try:
            _, key, body = ciphertext.split(".")
            cipher = self.ciphers[key]
            raw = base64.urlsafe_b64decode(body)
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], associated_data.encode()).decode()
        except KeyError:
            raise DecryptionError(f"The key {key} is not among CONNECTION_SECRET_KEYS.") from None
        except (InvalidTag, ValueError):
            raise DecryptionError(
                "The stored secret was altered, or was encrypted for another row or field."
            ) from None


def key_id(key: str) -> str:
    """Return the id by which ciphertexts name their key: part of a digest, which does not reveal the key."""
    return hashlib.sha256(b"connection secret key:" + key.encode()).hexdigest()[:8]


@cache
def build(keys: tuple[str, ...]) -> Keyring:
    return Keyring(keys)


def keyring() -> Keyring:
    """Return the keyring of the current settings."""
    return build(tuple(settings.CONNECTION_SECRET_KEYS))
