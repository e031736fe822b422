"""Write a `.env` with fresh random keys: `python -m itempath.dotenv .env`. Needs no package but Python."""

import base64
import os
import secrets
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

# The default database, which is in the same folder as the `.env`.
DEFAULT_DATABASE = "registry.sqlite3"

TEMPLATE = """\
# Settings of this installation; the README has the table. \
Keep a copy of the keys apart from the database's backups.
SECRET_KEY={secret_key}
CONNECTION_SECRET_KEYS={connection_key}
"""
REFUSAL = (
    "{database} is there without its {name}, and fresh keys open none of its secrets: "
    "put the {name} back that belongs to it, or move {database} away to begin anew."
)


def main(path: str) -> None:
    """Create `path`, which only its owner may read. An existing file stays as it is.

    Exits with a sentence if the database beside it has data, which needs the keys that it was made with.
    """
    database = Path(path).with_name(DEFAULT_DATABASE)
    if not os.path.lexists(path) and has_data(database):
        if not has_keys():
            sys.exit(REFUSAL.format(database=database.name, name=Path(path).name))
    else:
        write(path)


def write(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    connection_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    with os.fdopen(descriptor, "w") as file:
        file.write(TEMPLATE.format(secret_key=secrets.token_urlsafe(48), connection_key=connection_key))


def append(path: Path, comment: str, name: str, value: str) -> None:
    """Append a setting to a `.env` file. Raises `OSError`."""
    content = path.read_bytes()
    separator = b"\n" if content and not content.endswith(b"\n") else b""
    with path.open("ab") as file:
        file.write(separator + f"# {comment}\n{name}={value}\n".encode())


def has_data(database: Path) -> bool:
    """Return whether the file is a database with tables, or cannot be read and may be one."""
    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            return bool(opened.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    except sqlite3.Error:
        return True


def has_keys() -> bool:
    """Return whether the environment has the keys or names another file, so that no `.env` is needed."""
    if os.path.isfile(os.environ.get("ENV_FILE", "")):
        return True
    return all(os.environ.get(name) for name in ("SECRET_KEY", "CONNECTION_SECRET_KEYS"))


if __name__ == "__main__":
    main(sys.argv[1])
