"""The times after which PostgreSQL gives up on a statement, a lock and an idle transaction."""

from typing import Any

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# What cuts an import off that takes its time, or waits for its file in the middle of its transaction.
CUTTING = ("statement_timeout", "idle_in_transaction_session_timeout")


def as_startup_options(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a connection with the limits among them as options that PostgreSQL takes at its start.

    What stands in `options` already comes after them, and wins.
    """
    rest = {name: value for name, value in params.items() if name not in LIMITS}
    limits = [f"-c {name}={params[name]}" for name in LIMITS if name in params]
    options = " ".join([*limits, *filter(None, [params.get("options")])])
    return rest | {"options": options} if options else rest


def lift_for_commands(databases: dict[str, Any]) -> None:
    """Let commands take as long as they need; only the server's own requests are cut off."""
    for database in databases.values():
        options = database.get("OPTIONS", {})
        options |= dict.fromkeys(CUTTING, 0) if CUTTING[0] in options else {}
