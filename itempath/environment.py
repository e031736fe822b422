"""The settings that the environment may have, with their types and defaults.

The process environment takes precedence over the `.env` file beside `manage.py`, or over the file that
`ENV_FILE` names. An empty value counts as not set.
"""

import base64
import binascii
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from itempath.dotenv import DEFAULT_DATABASE, has_data
from itempath.environment_files import UnusableFiles, fault_of_env_file, read_named_files

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


def require_host_name(text: str) -> str:
    """Refuse a text that no `Host` header can have: it would keep every client out."""
    if not re.fullmatch(r"\*|\.?[^\s:/]+|\[[0-9A-Fa-f:.]+\]", text):
        raise ValueError(
            "it takes host names such as registry.example.com, without https://, port or path; IPv6 as [::1]"
        )
    return text


def require_origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+", text):
        raise ValueError(
            "it takes origins such as https://registry.example.com, with https:// and without a path"
        )
    return text


def require_exact_origin(text: str) -> str:
    """Return the origin as browsers send it: in lower case and without the default port. Refuse wildcards."""
    origin = require_origin(text.lower())
    if not re.fullmatch(r"https?://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", origin):
        raise ValueError("it takes whole origins such as https://app.example.com, without *")
    default_port = ":443" if origin.startswith("https:") else ":80"
    return origin.removesuffix(default_port)


def require_listening_address(text: str) -> str:
    """Refuse what is neither an address nor a host name; it would fail only when the server listens on it."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*", text):
        raise ValueError(
            "it takes an address such as 127.0.0.1 or ::1, or a host name; PORT is a setting of its own"
        )
    return text


def require_database(url: SecretStr) -> SecretStr:
    try:
        config = dj_database_url.parse(url.get_secret_value())
        pooled = config.get("OPTIONS", {}).get("pgbouncer", False)
        # A database in memory would end with the process that created it.
        engine = config["ENGINE"] if config["NAME"] != ":memory:" else ""
    except ValueError:
        engine = ""  # the parser's own message repeats parts of the value, which may be secret
    if not engine.endswith((".sqlite3", ".postgresql")):
        raise ValueError("it is no URL that begins with sqlite:/// or postgresql://")
    if pooled not in (True, False):  # 1 and 0 equal these, and pass
        raise ValueError("pgbouncer in it takes true or false")
    return url


def is_loopback(host: str) -> bool:
    """Return whether a server that listens on `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


HostNames = Annotated[
    list[Annotated[str, AfterValidator(require_host_name)]], NoDecode, BeforeValidator(split_commas)
]
Origins = Annotated[
    list[Annotated[str, AfterValidator(require_origin)]], NoDecode, BeforeValidator(split_commas)
]
ExactOrigins = Annotated[
    list[Annotated[str, AfterValidator(require_exact_origin)]], NoDecode, BeforeValidator(split_commas)
]
ListeningAddress = Annotated[str, AfterValidator(require_listening_address)]
Key = Annotated[SecretStr, AfterValidator(require_encryption_key)]
Network = Annotated[str, AfterValidator(require_network)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(require_database)]
Limit = Annotated[int, Field(ge=0)]


PUBLIC_DEBUG = (
    "DEBUG: its pages show internals to everyone who can reach the server, so it goes with none of "
    "HTTPS=1, TRUSTED_PROXIES and a HOST other than this machine's own 127.0.0.1, ::1 or localhost"
)


class Environment(BaseSettings):
    """The settings of the README's table, in the same order. Its `repr` shows no secret."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", BASE_DIR / ".env"),
        env_file_encoding="utf-8-sig",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    secret_key: Annotated[SecretStr, AfterValidator(require_length)]
    connection_secret_keys: Annotated[list[Key], NoDecode, BeforeValidator(split_commas), Field(min_length=1)]
    database_url: DatabaseUrl = SecretStr(f"sqlite:///{BASE_DIR / DEFAULT_DATABASE}")
    installation_id: UUID | None = None
    debug: bool = False
    database_statement_timeout: Limit = 30
    database_lock_timeout: Limit = 3
    database_idle_transaction_timeout: Limit = 60
    allowed_hosts: HostNames = ["localhost", "127.0.0.1"]
    host: ListeningAddress = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    web_concurrency: Annotated[int, Field(ge=1, le=512)] = 1
    web_threads: Annotated[int, Field(ge=1, le=64)] = 1
    body_timeout: Annotated[int, Field(ge=1)] = 10
    https: bool = False
    hsts_include_subdomains: bool = False
    hsts_preload: bool = False
    trusted_proxies: Annotated[list[Network], NoDecode, BeforeValidator(split_commas)] = []
    csrf_trusted_origins: Origins = []
    cors_origins: ExactOrigins = []
    session_hours: Annotated[int, Field(ge=1, le=8760)] = 12
    session_idle_minutes: Annotated[int, Field(ge=1, le=525_600)] = 60
    api_max_limit: Annotated[int, Field(ge=1)] = 20_000
    api_rate_per_minute: Limit = 600
    api_rate_per_day: Limit = 20_000
    demo: bool = True
    check_runner: bool = True
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, *sources: Any, **named: Any) -> tuple[Any, ...]:
        """Accept `NAME_FILE` in place of `NAME`, in the process environment and in `.env`."""
        for source in (named["env_settings"], named["dotenv_settings"]):
            source.env_vars = read_named_files(source.env_vars, cls.model_fields)
        return named["env_settings"], named["dotenv_settings"]

    @model_validator(mode="after")
    def leave_other_databases(self) -> Self:
        """Ignore the installation id of `.env` if the process environment names another database.

        The id belongs to the database of that file, and `DATABASE_URL=... make run` uses a different one.
        """
        if is_database_overridden() and "INSTALLATION_ID" not in os.environ:
            self.installation_id = None
        return self

    @model_validator(mode="after")
    def refuse_public_debug(self) -> Self:
        """Refuse DEBUG if other machines can reach the server: its pages show code and data to everyone."""
        if self.debug and (self.https or self.trusted_proxies or not is_loopback(self.host)):
            raise ValueError(PUBLIC_DEBUG)
        return self


def is_database_overridden() -> bool:
    """Return whether the process environment names the database, in place of the `.env` file."""
    return any(os.environ.get(name) for name in ("DATABASE_URL", "DATABASE_URL_FILE"))


def env_file() -> Path:
    """Return the path of the `.env` file, which may not exist."""
    return Path(os.environ.get("ENV_FILE", BASE_DIR / ".env"))


def read_environment() -> Environment:
    """Return the checked settings.

    Raises `ImproperlyConfigured` with one sentence that names every missing or invalid setting, but no value.
    """
    if fault := fault_of_env_file(str(Environment.model_config["env_file"])):
        raise ImproperlyConfigured(fault)
    try:
        return Environment()
    except ValidationError as error:
        faults = list(dict.fromkeys(map(describe, error.errors())))
    except UnusableFiles as error:
        faults = [f"{name}: {message}" for name, message in error.faults.items()]
    raise ImproperlyConfigured(sentence(faults))


def sentence(faults: list[str]) -> str:
    listed = "; ".join(faults)
    return f"The environment or .env has settings that are missing or unusable ({listed}); {advice()}."


def describe(fault: Any) -> str:
    """Return a setting and what is wrong with it. Messages about several settings name them themselves."""
    message: str = fault["msg"].removeprefix("Value error, ")
    return f"{str(fault['loc'][0]).upper()}: {message}" if fault["loc"] else message


def advice() -> str:
    """Return what to do about missing settings. New keys do not fit an existing database."""
    if has_data(BASE_DIR / DEFAULT_DATABASE):
        return (
            f"put back the .env of {DEFAULT_DATABASE} "
            "(`make setup` makes no fresh keys for a database that is there)"
        )
    return "`make setup` writes a .env with fresh keys"
