"""Canaries: secrets with a mark that tests search for in answers, logs and the database."""

import base64
from collections.abc import Iterator
from typing import Any

from django.contrib.sessions.models import Session
from django.db import connection

# Letters and digits only, as URL quoting, HTML, JSON and Python leave them unchanged.
MARK = "cAnArY7f3a9c51e0Zq"

CANARIES = {
    "password": f"pass {MARK} <b>&\"'\\ %41+/=?#",
    "token": f"tök日本🚚{MARK}é",
    "private_key": (
        f"-----BEGIN KEY-----\n{MARK}/one+two==\n{MARK} three four {'five ' * 30}\n-----END KEY-----\n"
    ),
    "private_headers": f"X-Key: {MARK} \"quoted\" 'too'\nX-Other: {MARK}\\n",
}


def encodings(mark: str = MARK) -> set[str]:
    """Return the mark and its base64 at each alignment: every text with the mark contains one of these."""
    return {mark} | {encoded for before in range(3) for encoded in base64_cores(mark.encode(), before)}


def base64_cores(raw: bytes, before: int) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(b"-" * before + raw)[4 if before else 0 : (before + len(raw)) // 3 * 4].decode()


def found(text: str, mark: str = MARK) -> list[str]:
    """Return the surroundings of the first occurrence of each encoding of the mark in `text`."""
    hits = [(text.find(encoding), encoding) for encoding in encodings(mark)]
    return [text[max(index - 60, 0) : index + len(encoding) + 20] for index, encoding in hits if index >= 0]


def whole_answer(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return "\n".join(
        [
            *(f"{name}: {value}" for name, value in response.items()),
            str(response.cookies),
            body.decode("utf-8", "replace"),
        ]
    )


def whole_database() -> str:
    """Return every value of every table, and the decoded contents of the sessions, which are compressed."""
    sessions = [str(session.get_decoded()) for session in Session.objects.all()]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        rows = [str(value) for table in tables for row in all_rows(cursor, table) for value in row]
    return "\n".join([*sessions, *rows])


def all_rows(cursor: Any, table: str) -> list[tuple[Any, ...]]:
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
    return list(cursor.fetchall())
