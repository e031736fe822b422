"""Write a `.env` with fresh random keys: `python -m itempath.dotenv .env`. Needs nothing but Python."""

import base64
import os
import secrets
import sys

TEMPLATE = """\
# Settings of this installation; the README has the table. Keep a copy of the keys apart from the database's backups.
SECRET_KEY={secret_key}
CONNECTION_SECRET_KEYS={connection_key}
"""


def main(path: str) -> None:
    """Create `path`, readable by its owner only; a file that is there stays as it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    connection_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    with os.fdopen(descriptor, "w") as file:
        file.write(TEMPLATE.format(secret_key=secrets.token_urlsafe(48), connection_key=connection_key))


if __name__ == "__main__":
    main(sys.argv[1])
