"""The upgrade of addresses from before credentials were taken out of them, which may show their passwords."""

import logging
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

from django.utils import timezone

from connections.addresses.address import HTTP_SCHEMES, Address
from connections.addresses.hosts import scheme_of, split_authority, split_prefix
from connections.addresses.lists import LIST
from connections.addresses.oracle import JDBC, parse_oracle
from connections.addresses.parsing import parse_address, parse_endpoint
from connections.addresses.text import tidy
from connections.addresses.urls import split_user_info
from connections.choices import ConnectionType
from connections.destinations import destinations_of
from connections.secrets.encryption import keyring
from connections.versions import next_version
from core import redaction

logger = logging.getLogger(__name__)

BATCH = 1000
PARSERS: dict[str, Callable[[str], Address]] = {
    "url": parse_address,
    "token_url": parse_address,
    "test_endpoint": parse_endpoint,
}
REMOVED = "(removed: it may hold a secret)"


def take_credentials_out(apps: Any, using: str) -> None:
    """Move user names and passwords from stored addresses to their fields; remove them from audit entries.

    An address with a fault stays as it is, because a connection is of no use without one. The log names its
    connection. `apps` are the models as of the migration.
    """
    version = next_version(using)
    for connection in all_of(apps.get_model("connections", "Connection"), using):
        take_from(connection, version)
        redaction.clear()
    conceal_changes(apps, using)


def all_of(model: Any, using: str) -> Iterator[Any]:
    """Yield every connection in the order of the ids, read in batches.

    No condition in SQL finds the addresses with a password, because any sign may stand before one.
    """
    last, rows = 0, model._base_manager.using(using).order_by("pk")
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield from batch
        last = batch[-1].pk


def take_from(connection: Any, version: int) -> None:
    """Store a connection's address without its credentials, and log what a person has to change.

    Credentials of an address fill only the fields for user name and password that are empty.
    """
    faulty = [field for field, parse in PARSERS.items() if parse(getattr(connection, field)).refusal]
    address = parse_address(connection.url)
    if "url" in faulty and not address.fault and keeps_destinations(connection, address):
        faulty.remove("url")
        move_credentials(connection, address, version)
    for field in faulty:
        logger.warning(
            "Connection %s: its %s may hold a secret, which every reader sees. Enter it anew.",
            connection.pk,
            field,
        )


def keeps_destinations(connection: Any, address: Address) -> bool:
    """Return whether the secrets of a connection go to the same destinations without its credentials.

    Some clients read `user/password@server`, or a password with a slash in it, as a host and a path. The
    former is surely a login only in a connection to Oracle.
    """
    cleaned = copy(connection)
    cleaned.url = address.text
    if destinations_of(cleaned) != destinations_of(connection):
        return False
    is_oracle = connection.type == ConnectionType.ORACLE and parse_oracle(tidy(connection.url))
    return bool(is_oracle) or not has_host_in_front(connection.url)


def has_host_in_front(written: str) -> bool:
    """Return whether some clients read the user name and password of an address as a host and a path."""
    text = tidy(written)
    if LIST.match(text) or JDBC.match(text) or text.startswith("("):
        return False
    return parse_oracle(text) is not None or has_cut_login(text)


def has_cut_login(url: str) -> bool:
    """Return whether the password of a URL has a slash in it, so that a host could end there."""
    prefix, after = split_prefix(url)
    is_http = scheme_of(prefix).lower() in HTTP_SCHEMES
    authority, rest = split_authority(after, is_http=is_http)
    user_info, _, _ = split_user_info(authority, rest, is_http=is_http)
    return "@" not in authority and bool(user_info)


def move_credentials(connection: Any, address: Address, version: int) -> None:
    """Store the address and its credentials in the fields of the connection that are still empty."""
    redaction.add(address.password)
    connection.url, connection.version = address.text, version
    connection.username = connection.username or address.username[:255]
    if address.password and not connection.password_sealed:
        connection.password_sealed = keyring().encrypt(
            address.password, f"connection:{connection.uid}:password"
        )
        connection.password_exists, connection.password_stored_at = True, timezone.now()
    connection.save(
        update_fields=[
            "url",
            "version",
            "username",
            "password_sealed",
            "password_exists",
            "password_stored_at",
        ]
    )
    logger.warning("Connection %s: user name and password were taken out of its address.", connection.pk)


def conceal_changes(apps: Any, using: str) -> None:
    """Remove the credentials of addresses from audit entries, also from those of deleted connections."""
    entries = apps.get_model("auditlog", "LogEntry")._base_manager.using(using)
    of_connections = entries.filter(content_type__app_label="connections", content_type__model="connection")
    for pk, changes in of_connections.values_list("pk", "changes").iterator(BATCH):
        concealed = {field: conceal(field, values) for field, values in (changes or {}).items()}
        if concealed != (changes or {}):
            entries.filter(pk=pk).update(changes=concealed)


def conceal(field: str, values: Any) -> Any:
    """Return the texts before and after a change of `field` without a secret."""
    if field not in PARSERS or not isinstance(values, list):
        return values
    return [shown(PARSERS[field](text)) if isinstance(text, str) else text for text in values]


def shown(address: Address) -> str:
    """Return the text of an address, or `REMOVED` if it may hold a secret."""
    return REMOVED if address.may_hold_a_secret else address.text
