"""The admin's pages of users, credentials and changes."""

from accounts.admin import audit, users  # noqa: F401  # Django looks for the pages here
