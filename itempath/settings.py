"""Django settings. `environment.py` has those that differ between installations."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dj_database_url
import django_stubs_ext
from corsheaders.defaults import default_headers
from csp import constants as csp
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from core.redaction import LINE_FORMAT
from itempath.environment import BASE_DIR, read_environment

django_stubs_ext.monkeypatch()  # allows type arguments for Django's classes, such as ModelAdmin[App]

ENVIRONMENT = read_environment()

SECRET_KEY = ENVIRONMENT.secret_key.get_secret_value()
CONNECTION_SECRET_KEYS = [key.get_secret_value() for key in ENVIRONMENT.connection_secret_keys]
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
HOST = ENVIRONMENT.host
PORT = ENVIRONMENT.port
WEB_CONCURRENCY = ENVIRONMENT.web_concurrency
WEB_THREADS = ENVIRONMENT.web_threads
BODY_TIMEOUT = ENVIRONMENT.body_timeout
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
DEMO = ENVIRONMENT.demo
INSTALLATION_ID = ENVIRONMENT.installation_id

API_MAX_LIMIT = ENVIRONMENT.api_max_limit
API_RATE_PER_MINUTE = ENVIRONMENT.api_rate_per_minute
API_RATE_PER_DAY = ENVIRONMENT.api_rate_per_day

ROOT_URLCONF = "itempath.urls"
WSGI_APPLICATION = "itempath.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "core.apps.AuditConfig",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core.apps.CoreConfig",
    "itempath.apps.ItemPathConfig",
    "accounts.apps.AccountsConfig",
    "connections.apps.ConnectionsConfig",
    "logs.apps.LogsConfig",
    "workitems.apps.WorkItemsConfig",
]

MIDDLEWARE = [
    "core.middleware.RequestIdMiddleware",
    "itempath.health.HealthMiddleware",
    "accounts.access_log.AccessLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "core.page_middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "core.page_middleware.BadAddressMiddleware",
    "accounts.session_middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.session_middleware.Users",
    "core.page_middleware.Messages",
    "core.bounds.BoundsMiddleware",
    "core.audit.AuditMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "core" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# A client gets an answer, or 503, within 5 seconds of a database that is locked or unreachable. The timeouts
# in `database()` and the default of `DATABASE_LOCK_TIMEOUT` follow from that.

# PostgreSQL's three timeouts, in seconds.
TIME_LIMITS = {
    "statement": ENVIRONMENT.database_statement_timeout,
    "lock": ENVIRONMENT.database_lock_timeout,
    "idle_in_transaction_session": ENVIRONMENT.database_idle_transaction_timeout,
}


def database(url: str) -> dict[str, Any]:
    """Return Django's database settings for `url`."""
    config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=600, conn_health_checks=True))
    config.setdefault("OPTIONS", {})
    return sqlite(config) if config["ENGINE"].endswith("sqlite3") else postgresql(config)


def sqlite(config: dict[str, Any]) -> dict[str, Any]:
    # With WAL, readers do not wait for the writer. IMMEDIATE takes the write lock at BEGIN, which waits for
    # up to `timeout` seconds; otherwise a transaction that reads before it writes would fail at once if
    # another writes.
    options = {"transaction_mode": "IMMEDIATE", "timeout": 3, "init_command": "PRAGMA journal_mode=WAL"}
    return config | {"ENGINE": "core.db.sqlite3", "OPTIONS": config["OPTIONS"] | options}


def postgresql(config: dict[str, Any]) -> dict[str, Any]:
    options = config["OPTIONS"]
    # Behind PgBouncer, every transaction may get another session of the server. Prepared statements, cursors
    # and options of the session, such as its timeouts, would be missing there or reach other clients.
    pooled = bool(options.pop("pgbouncer", False))
    options |= {"server_side_binding": True, "prepare_threshold": None if pooled else 5}
    if not pooled:
        options |= {f"{name}_timeout": 1000 * seconds for name, seconds in TIME_LIMITS.items()} | options
    options.setdefault("connect_timeout", 3)  # seconds
    options.setdefault("application_name", "connections-registry")
    # In milliseconds, then seconds: a server that vanished without a word is noticed within 5 seconds.
    options |= {
        "tcp_user_timeout": 3000,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 2,
    }
    return config | {"ENGINE": "core.db.postgresql", "DISABLE_SERVER_SIDE_CURSORS": pooled}


DATABASES = {"default": database(ENVIRONMENT.database_url.get_secret_value())}

# Where a login leads that did not start from a page.
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = ["accounts.backends.ThrottledModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.validators.MaximumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.rate_limits.CredentialThrottle"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasRole"],
    "DEFAULT_FILTER_BACKENDS": [
        "core.api.filters.OperatorFilterBackend",
        "core.api.ordering.OrderingBackend",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.api.http.JSONNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["core.api.http.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.http.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.RegistrySchema",
    "EXCEPTION_HANDLER": "core.api.handlers.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Connections registry",
    "DESCRIPTION": (
        "A warehouse's connections to its other systems, with ItemPath's API. "
        "Lists take their arguments in the query string or in a JSON body."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": (
                    "An access token, an application token or an API key; "
                    "where a call says so, a refresh token."
                ),
            }
        }
    },
    "SERVERS": [{"url": "/", "description": "The server that this description comes from."}],
    "TAGS": [
        {"name": "connections", "description": "The registry, as ItemPath's resource of that name."},
        {"name": "users", "description": "Tokens, as ItemPath's clients ask for them."},
        {"name": "token", "description": "Tokens, as Simple JWT's clients ask for them."},
        {
            "name": "work items",
            "description": "pm415's connections between items, bugs, initiatives and backlogs.",
        },
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/",
    "PREPROCESSING_HOOKS": ["core.api.schema.drop_trailing_slash"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "workitems.schema.finish"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "LEEWAY": 10,  # seconds by which the clocks of two machines may differ
    "TOKEN_OBTAIN_SERIALIZER": "accounts.serializers.TokenPairSerializer",
    "TOKEN_REFRESH_SERIALIZER": "accounts.serializers.TokenRefreshSerializer",
    "TOKEN_VERIFY_SERIALIZER": "accounts.serializers.TokenVerifySerializer",
}

AUDITLOG_DISABLE_ON_RAW_SAVE = True  # the file of `loaddata` has the audit entries already
# Each audit entry has the id of the request, which leads to its log lines.
AUDITLOG_CID_GETTER = "core.middleware.current_request_id"


def requires(permission: str) -> Callable[[HttpRequest], bool]:
    """Return a function that says whether the user of a request has `permission`."""
    return lambda request: request.user.has_perm(permission)


def asset(path: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


def menu(title: str, model: str, icon: str) -> dict[str, Any]:
    """Return the menu entry of a model's list, for users who may see it. `model` is `app.name`."""
    app, _, name = model.partition(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": requires(f"{app}.view_{name}"),
    }


UNFOLD = {
    "SITE_TITLE": "Connections registry",
    "SITE_HEADER": "Connections",
    "SITE_SUBHEADER": "registry",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": asset("core/favicon.svg")}],
    "STYLES": [asset("core/admin.css")],
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"form": "accounts.forms.ThrottledAuthenticationForm"},
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(60% .118 184.7)",
            "600": "oklch(51.1% .096 186.4)",
            "700": "oklch(43.7% .078 188.2)",
            "800": "oklch(38.6% .063 188.4)",
            "900": "oklch(30% .046 192.5)",
            "950": "oklch(27.7% .046 192.5)",
        }
    },
    # What an operator uses most comes first.
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "items": [
                    menu("Connections", "connections.connection", "cable"),
                    menu("Log", "logs.connectionlog", "monitor_heart"),
                    menu("Apps", "connections.app", "apps"),
                    menu("Integrations", "connections.integration", "sync_alt"),
                ]
            },
            {
                "title": "Work items",
                "separator": True,
                "items": [
                    menu("Items", "workitems.item", "task_alt"),
                    menu("Bugs", "workitems.bug", "bug_report"),
                    menu("Backlogs", "workitems.backlog", "view_list"),
                    menu("Initiatives", "workitems.initiative", "flag"),
                    menu("Links", "workitems.link", "link"),
                    menu("Organizations", "workitems.organization", "domain"),
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    menu("Users", "accounts.user", "group"),
                    menu("API keys", "accounts.apikey", "key"),
                    menu("Application tokens", "accounts.applicationtoken", "badge"),
                ],
            },
            {
                "title": "Record",
                "separator": True,
                "items": [menu("Changes", "auditlog.logentry", "history")],
            },
        ],
    },
}

SERIALIZATION_MODULES = {"json": "core.exact_json"}

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = ["itempath.formats"]
USE_TZ = True

STATIC_URL = "static/"
# Files are served from the installed packages, so that `make run` needs no `collectstatic`.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

CSRF_TRUSTED_ORIGINS = ENVIRONMENT.csrf_trusted_origins

# Pages of other origins may call the API with a bearer, but never with the admin's session cookie.
CORS_ALLOWED_ORIGINS = ENVIRONMENT.cors_origins
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = (*default_headers, "if-none-match", "prefer", "x-request-id")
CORS_EXPOSE_HEADERS = (
    *("Allow", "ETag", "Link", "Retry-After", "WWW-Authenticate"),
    *("X-Ignored-Body", "X-Ignored-Parameters", "X-Request-ID"),
)
if CORS_ALLOWED_ORIGINS:  # otherwise the middleware would add a `Vary` header to every answer for nothing
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1,
        "corsheaders.middleware.CorsMiddleware",
    )
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENVIRONMENT.https
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = ENVIRONMENT.hsts_include_subdomains
SECURE_HSTS_PRELOAD = ENVIRONMENT.hsts_preload
# The two checks ask for HSTS options that bind other hosts of the domain, too, for as long as browsers store
# them. The operator decides on these.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# The maximum duration of a login. `accounts.session_middleware` counts it from the login, and also ends idle
# sessions.
SESSION_COOKIE_AGE = ENVIRONMENT.session_hours * 3600
SESSION_IDLE_SECONDS = ENVIRONMENT.session_idle_minutes * 60
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "core.error_pages.csrf_failure"
# Pages load everything from this server. `core.page_middleware` adds what the admin's scripts need.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.NONE],
        "script-src": [csp.SELF],
        # The admin's theme is a style element, and its widgets have style attributes.
        "style-src": [csp.SELF, csp.UNSAFE_INLINE],
        "font-src": [csp.SELF],
        "img-src": [csp.SELF, "data:"],
        "connect-src": [csp.SELF],
        "object-src": [csp.NONE],
        "base-uri": [csp.NONE],
        "frame-ancestors": [csp.NONE],
        "form-action": [csp.SELF],
    }
}
DEFAULT_EXCEPTION_REPORTER = "core.redaction.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "core.redaction.ReporterFilter"
# The largest body of a form or an API call, in bytes. A larger one gets 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "core.middleware.RequestIdFilter"}},
    "formatters": {"json": {"()": "core.redaction.RedactingFormatter", **LINE_FORMAT}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": "json"}
    },
    "root": {"handlers": ["console"], "level": ENVIRONMENT.log_level},
    # Django's own handlers mail errors to ADMINS and print only in DEBUG. Here everything goes to the
    # console.
    "loggers": {"django": {"handlers": [], "propagate": True}, "django.request": {"level": "ERROR"}},
}

# It holds every secret, and error pages and `diffsettings` show all upper-case names of this module.
del ENVIRONMENT
