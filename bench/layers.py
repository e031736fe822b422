"""Groups the functions of a profile into layers of the product and of the packages below it."""

import sysconfig
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Function = tuple[str, int, str]  # as cProfile names it: file, line, name
# Per function: primitive calls, all calls, own time, time with its callees, and the same four for each
# caller.
Stats = dict[Function, tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]]

# A function belongs to the first layer that has a part of its `file:name`. Paths begin at the root of the
# repository, of the standard library or of the installed packages. A function in no layer counts for the
# layers that call it.
LAYERS = {
    "access log": ("/accounts/access_log.py", "/core/redaction.py", "/pythonjsonlogger/", "/logging/"),
    "records and JSON": (
        "orjson",
        "/core/api/rows.py",
        "/core/api/pagination.py:add",
        "/core/api/pagination.py:answer",
        "/core/api/http.py:render",
    ),
    # The profiler does not see psycopg's compiled functions. Their time is that of the functions that call
    # them.
    "sending a query, waiting for the answer": ("/psycopg/connection.py:wait", "/psycopg/waiting.py"),
    "database driver": (
        "psycopg",
        "sqlite3",
        "/django/db/backends/",
        "/django/db/utils.py",
        "/core/db/postgresql/",
        "/core/api/statements.py:batches",
    ),
    "throttle": ("/accounts/rate_limits.py", "/rest_framework/throttling.py"),
    "authentication and role": (
        "/accounts/authentication.py",
        "/accounts/bearer_cache.py",
        "/accounts/jwt.py",
        "/accounts/models.py",
        "/accounts/permissions.py",
        "/accounts/roles.py",
        "/accounts/tokens.py",
        "/rest_framework_simplejwt/",
        "/jwt/",
        "/rest_framework/authentication.py",
    ),
    "DRF dispatch": (
        "/rest_framework/",
        "/django/views/",
        "/core/api/viewsets.py",
        "/core/api/http.py",
    ),
    "arguments and query": (
        "/core/api/",
        "/core/db/",
        "/connections/",
        "/logs/",
        "/workitems/",
        "/django_filters/",
        "/django/forms/",
        "/django/db/",
    ),
    "server glue, WSGI": ("/itempath/wsgi.py", "/granian/", "/django/core/handlers/wsgi.py", "/bench/"),
    "Django handler and middleware": (
        "/django/",
        "/itempath/",
        "/core/",
        "/accounts/",
        "/whitenoise/",
        "/auditlog/",
        "/asgiref/",
    ),
}
OTHER = "other"
# The folders that paths are relative to, so that the names of the folders above them do not count.
BASES = (sysconfig.get_path("purelib"), str(ROOT), sysconfig.get_path("stdlib"))


def layer_of(function: Function) -> str:
    """Return the layer of a function; an empty text if it belongs to none."""
    file, _, name = function
    base = next((base for base in BASES if file.startswith(base)), "")
    text = f"{file.removeprefix(base)}:{name}"
    return next((layer for layer, parts in LAYERS.items() if any(part in text for part in parts)), "")


class Layers:
    """The calls and the seconds of a profile, by layer."""

    def __init__(self, stats: Stats) -> None:
        self.stats = stats
        self.calls: dict[str, float] = defaultdict(float)
        self.seconds: dict[str, float] = defaultdict(float)
        for function, (_, calls, seconds, _, callers) in stats.items():
            for caller, (_, caller_calls, caller_seconds, _) in callers.items():
                self.add(function, caller, caller_calls, caller_seconds)
            if not callers:
                self.add(function, function, calls, seconds)

    def add(self, function: Function, caller: Function, calls: float, seconds: float) -> None:
        """Count the calls of `function` by `caller`, for its own layer or for those of its callers."""
        own = layer_of(function)
        weights = {own: 1.0} if own else self.weights(caller, frozenset([function]))
        for layer, weight in weights.items():
            self.calls[layer] += calls * weight
            self.seconds[layer] += seconds * weight

    def weights(self, function: Function, below: frozenset[Function]) -> dict[str, float]:
        """Return the shares of the layers in the calls of `function`; they add up to 1.

        `below` are the functions that led here, which are left out so that recursion ends.
        """
        if own := layer_of(function):
            return {own: 1.0}
        callers = {
            caller: calls
            for caller, (_, calls, _, _) in self.stats[function][4].items()
            if caller not in below | {function}
        }
        found: dict[str, float] = defaultdict(float)
        for caller, calls in callers.items():
            for layer, weight in self.weights(caller, below | {function}).items():
                found[layer] += weight * calls / sum(callers.values())
        return found or {OTHER: 1.0}
