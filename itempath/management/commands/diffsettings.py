"""Django's `diffsettings` without secret values, as people send its output to others."""

from typing import Any

from django.conf import Settings, global_settings, settings
from django.core.management.commands import diffsettings
from django.views.debug import get_default_exception_reporter_filter


def shown(module: Any) -> dict[str, str]:
    """Return the printed values of the settings of `module`.

    Secret values are replaced by stars, except for Django's own defaults.
    """
    cleanse = get_default_exception_reporter_filter().cleanse_setting
    values = {name: getattr(module, name) for name in dir(module) if name.isupper()}
    return {
        name: repr(value if value == getattr(global_settings, name, None) else cleanse(name, value))
        for name, value in values.items()
    }


class Command(diffsettings.Command):
    def handle(self, *args: Any, **options: Any) -> str:
        default = Settings(options["default"]) if options["default"] else global_settings
        output = {"hash": self.output_hash, "unified": self.output_unified}[options["output"]]
        return "\n".join(output(shown(settings), shown(default), **options))
