"""Django's `diffsettings`, whose output people paste into mails: without what is secret."""

from typing import Any

from django.core.management.commands import diffsettings
from django.views.debug import get_default_exception_reporter_filter


def safe(shown: dict[str, str], default: dict[str, str]) -> dict[str, str]:
    """Return the settings as `shown`; those that differ from Django's own defaults without what is secret."""
    cleansed = get_default_exception_reporter_filter().get_safe_settings()
    changed = {name: repr(cleansed[name]) for name, text in shown.items() if default.get(name) != text and name in cleansed}
    return shown | changed


class Command(diffsettings.Command):
    def output_hash(self, user_settings: Any, default_settings: Any, **options: Any) -> Any:
        return super().output_hash(safe(user_settings, default_settings), default_settings, **options)

    def output_unified(self, user_settings: Any, default_settings: Any, **options: Any) -> Any:
        return super().output_unified(safe(user_settings, default_settings), default_settings, **options)
