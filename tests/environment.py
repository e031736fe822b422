"""Settings for the tests, set before Django reads them, so that no `.env` and no installation is used."""

import base64
import os
import secrets
import tempfile

KEY = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

os.environ.update(
    ENV_FILE=os.devnull,
    LOG_LEVEL="WARNING",
    SECRET_KEY=secrets.token_urlsafe(48),
    CONNECTION_SECRET_KEYS=KEY,
    ALLOWED_HOSTS="localhost,127.0.0.1,testserver",
    API_RATE_PER_MINUTE="0",
    API_RATE_PER_DAY="0",
    INSTALLATION_ID="",
)
os.environ.setdefault("DATABASE_URL", f"sqlite:///{tempfile.gettempdir()}/registry-tests.sqlite3")
