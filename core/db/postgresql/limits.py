"""The timeouts after which PostgreSQL cancels a statement, a wait for a lock and an idle transaction."""

from typing import Any

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# Those that would cancel a long import, or one that waits for its input in the middle of its transaction.
LIFTED_FOR_COMMANDS = ("statement_timeout", "idle_in_transaction_session_timeout")


def as_startup_options(params: dict[str, Any]) -> dict[str, Any]:
    """Return a connection's parameters with the timeouts moved into `options`, where PostgreSQL takes them.

    What `options` already has comes after them, and so takes precedence.
    """
    rest = {name: value for name, value in params.items() if name not in LIMITS}
    limits = [f"-c {name}={params[name]}" for name in LIMITS if name in params]
    options = " ".join([*limits, *filter(None, [params.get("options")])])
    return rest | {"options": options} if options else rest


def lift_for_commands(databases: dict[str, Any]) -> None:
    """Switch the timeouts off that would cancel a command. Only the server's requests keep them."""
    for database in databases.values():
        options = database.get("OPTIONS", {})
        if LIFTED_FOR_COMMANDS[0] in options:
            options |= dict.fromkeys(LIFTED_FOR_COMMANDS, 0)
