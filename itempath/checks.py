"""System checks, each with an id and a hint, of settings that expose secrets or mislead operators."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from itempath.environment import is_loopback

KEY_SHARED = Error(
    "SECRET_KEY is also an encryption key.", hint="Give each a key of its own.", id="itempath.E004"
)
NO_HTTPS = Warning(
    "The server listens beyond this machine without HTTPS.",
    hint="Set HTTPS=1 behind a TLS proxy.",
    id="itempath.W001",
)
ANY_HOST = Warning(
    "ALLOWED_HOSTS takes any Host header.", hint="List the names that clients use.", id="itempath.W002"
)
CREATE_DATABASE = "Create it with: createdb --encoding=UTF8 --locale=C.UTF-8 --template=template0 NAME"
NO_TIME_LIMIT = Warning(
    "PgBouncer passes no time limits on, and the database's role has none: "
    "a statement or a lock may last for ever.",
    hint="ALTER ROLE name SET statement_timeout = '30s'; "
    "the same for lock_timeout, idle_in_transaction_session_timeout.",
    id="itempath.W010",
)


@register(Tags.database)
def check_postgresql(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a PostgreSQL database that cannot ignore letter case, and warn of one without time limits."""
    aliases = [alias for alias in databases or [] if connections[alias].vendor == "postgresql"]
    return [message for alias in aliases for message in [*check_encoding(alias), *check_time_limits(alias)]]


def check_encoding(alias: str) -> list[CheckMessage]:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT pg_encoding_to_char(encoding), datctype "
            "FROM pg_database WHERE datname = current_database()"
        )
        encoding, ctype = cursor.fetchone()
    if encoding != "UTF8":
        text = f"The database's encoding is {encoding}, not UTF8."
        return [Error(text, hint=CREATE_DATABASE, id="itempath.E001")]
    if not folds_letters(alias):
        text = f"The database's ctype is {ctype}: it folds no letter beyond ASCII."
        return [Error(text, hint=CREATE_DATABASE, id="itempath.E002")]
    return []


def folds_letters(alias: str) -> bool:
    """Return whether a UTF-8 database changes the case of letters beyond ASCII.

    The name of its ctype does not tell: beside libc, ICU and PostgreSQL's own provider do so under any name.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT upper(chr(%s)) = chr(%s)", [ord("ü"), ord("Ü")])
        return bool(cursor.fetchone()[0])


def check_time_limits(alias: str) -> list[CheckMessage]:
    if not connections[alias].settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        return []  # without PgBouncer, every session sets its own limits
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('statement_timeout') = '0' OR current_setting('lock_timeout') = '0'"
        )
        return [NO_TIME_LIMIT] if cursor.fetchone()[0] else []


@register(Tags.security)
def check_exposure(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a key with two purposes. Warn of tokens sent unencrypted and of hosts that are not checked."""
    exposed = not is_loopback(settings.HOST)
    found = (
        (settings.SECRET_KEY in settings.CONNECTION_SECRET_KEYS, KEY_SHARED),
        (exposed and not settings.SESSION_COOKIE_SECURE, NO_HTTPS),
        ("*" in settings.ALLOWED_HOSTS, ANY_HOST),
    )
    return [message for present, message in found if present]
