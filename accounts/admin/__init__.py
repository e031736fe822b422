"""The admin's pages of users, credentials and the audit."""

from accounts.admin import audit, users  # noqa: F401  # Django imports this package
