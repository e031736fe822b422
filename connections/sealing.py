"""Secrets at rest: AES-256-GCM, bound to the row and the field.

A sealed text reads `v1.<key id>.<nonce and ciphertext in URL-safe base64>`. The row and the field are authenticated
beside it (AEAD's associated data), so that a text copied to another row or column does not open.
"""

import base64
import hashlib
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

FORM = "v1"
NONCE_BYTES = 12


class Unreadable(Exception):
    """A sealed text that does not open: its key is missing, or it was not sealed for this place."""


class Keyring:
    """The keys of `CONNECTION_SECRET_KEYS`: the first seals, all of them open."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.ciphers = {key_id(key): AESGCM(base64.urlsafe_b64decode(key)) for key in keys}
        self.current = key_id(keys[0])
        self.prefix = f"{FORM}.{self.current}."

    def seal(self, text: str, place: str) -> str:
        """Return `text` sealed with the first key for `place`."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self.ciphers[self.current].encrypt(nonce, text.encode(), place.encode())
        return self.prefix + base64.urlsafe_b64encode(sealed).decode()

    def open(self, sealed: str, place: str) -> str:
        """Return the text that was sealed for `place`. Raises `Unreadable`, whose message holds no secret."""
        try:
            _, key, body = sealed.split(".")
            cipher = self.ciphers[key]
            raw = base64.urlsafe_b64decode(body)
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.encode()).decode()
        except KeyError:
            raise Unreadable(f"The key {key} is not among CONNECTION_SECRET_KEYS.") from None
        except (InvalidTag, ValueError):
            raise Unreadable("The stored secret was altered, or was sealed for another place.") from None


def key_id(key: str) -> str:
    """Return the name that ciphertexts give their key: the start of a digest, which does not tell the key."""
    return hashlib.sha256(b"connection secret key:" + key.encode()).hexdigest()[:8]


@cache
def build(keys: tuple[str, ...]) -> Keyring:
    return Keyring(keys)


def keyring() -> Keyring:
    """Return the keyring of the current settings."""
    return build(tuple(settings.CONNECTION_SECRET_KEYS))
