"""Every setting that the environment may carry, typed, in one table.

The process environment wins over the `.env` file beside `manage.py` (or the file that `ENV_FILE` names); an empty
value counts as silent.
"""

import base64
import binascii
import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from itempath.dotenv import DEFAULT_DATABASE, has_data

BASE_DIR = Path(__file__).resolve().parent.parent


def split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def require_length(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < 32:
        raise ValueError("must have at least 32 characters")
    return secret


def require_encryption_key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        key = base64.urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32 or len(text) != 44:
        raise ValueError("each key is 32 random bytes in URL-safe base64, 44 characters")
    return secret


def require_network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


def require_database(url: SecretStr) -> SecretStr:
    try:
        config = dj_database_url.parse(url.get_secret_value())
        engine = config["ENGINE"] if config["NAME"] != ":memory:" else ""  # it would end with the process that made it
    except ValueError:
        engine = ""  # the parser's own message repeats parts of the value
    if not engine.endswith((".sqlite3", ".postgresql")):
        raise ValueError("it is no URL that begins with sqlite:/// or postgresql://")
    return url


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


CommaList = Annotated[list[str], NoDecode, BeforeValidator(split_commas)]
Key = Annotated[SecretStr, AfterValidator(require_encryption_key)]
Network = Annotated[str, AfterValidator(require_network)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(require_database)]
Limit = Annotated[int, Field(ge=0)]


PUBLIC_DEBUG = (
    "DEBUG: its pages show internals to everyone who can reach the server, so it goes with none of "
    "HTTPS=1, TRUSTED_PROXIES and a HOST other than this machine's own 127.0.0.1, ::1 or localhost"
)


class Environment(BaseSettings):
    """The settings table of the README, in the same order. What is secret does not show in its `repr`."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", BASE_DIR / ".env"), extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    secret_key: Annotated[SecretStr, AfterValidator(require_length)]
    connection_secret_keys: Annotated[list[Key], NoDecode, BeforeValidator(split_commas), Field(min_length=1)]
    database_url: DatabaseUrl = SecretStr(f"sqlite:///{BASE_DIR / DEFAULT_DATABASE}")
    installation_id: UUID | None = None
    debug: bool = False
    allowed_hosts: CommaList = ["localhost", "127.0.0.1"]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    web_concurrency: Annotated[int, Field(ge=1, le=512)] = 1
    web_threads: Annotated[int, Field(ge=1, le=64)] = 1
    body_timeout: Annotated[int, Field(ge=1)] = 10
    https: bool = False
    hsts_include_subdomains: bool = False
    hsts_preload: bool = False
    trusted_proxies: Annotated[list[Network], NoDecode, BeforeValidator(split_commas)] = []
    csrf_trusted_origins: CommaList = []
    session_hours: Annotated[int, Field(ge=1, le=8760)] = 12
    session_idle_minutes: Annotated[int, Field(ge=1, le=525_600)] = 60
    api_max_limit: Annotated[int, Field(ge=1)] = 20_000
    api_rate_per_minute: Limit = 600
    api_rate_per_day: Limit = 20_000
    demo: bool = True
    check_runner: bool = True
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @model_validator(mode="after")
    def leave_other_databases(self) -> Self:
        """Take the file's id for the file's database alone: `DATABASE_URL=... make run` tries out another one."""
        if is_database_overridden() and "INSTALLATION_ID" not in os.environ:
            self.installation_id = None
        return self

    @model_validator(mode="after")
    def refuse_public_debug(self) -> Self:
        """Refuse DEBUG where others can reach the server: its pages show code, settings and data to anyone."""
        if self.debug and (self.https or self.trusted_proxies or not is_loopback(self.host)):
            raise ValueError(PUBLIC_DEBUG)
        return self


def is_database_overridden() -> bool:
    """Return whether the process environment, and not the file, names the database."""
    return bool(os.environ.get("DATABASE_URL"))


def env_file() -> Path:
    """Return the file of settings, which need not be there."""
    return Path(os.environ.get("ENV_FILE", BASE_DIR / ".env"))


def read_environment() -> Environment:
    """Return the checked settings.

    Raises `ImproperlyConfigured` with one sentence that names every missing or unusable setting, and no value.
    """
    try:
        return Environment()
    except ValidationError as error:
        raise ImproperlyConfigured(sentence(error)) from None


def sentence(error: ValidationError) -> str:
    faults = dict.fromkeys(map(describe, error.errors()))
    return f"The environment or .env has settings that are missing or unusable ({'; '.join(faults)}); {advice()}."


def describe(fault: Any) -> str:
    """Return what is wrong with which setting; a combination of them names itself."""
    message: str = fault["msg"].removeprefix("Value error, ")
    return f"{str(fault['loc'][0]).upper()}: {message}" if fault["loc"] else message


def advice() -> str:
    """Return what to do about missing settings: fresh keys open no secret of a database that is there."""
    if has_data(BASE_DIR / DEFAULT_DATABASE):
        return f"put back the .env that belongs to {DEFAULT_DATABASE} (`make setup` makes fresh keys only where there is no database)"
    return "`make setup` writes a .env with fresh keys"
