#!/usr/bin/env python
"""Run Django's commands and the registry's own: `python manage.py help`."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    from core.db.postgresql.limits import lift_for_commands
    from itempath.startup_log import log_as_json

    if sys.argv[1:2] == ["serve"]:
        log_as_json()
    try:
        # This reads the settings for the first time: an invalid one gives one sentence and no traceback.
        lift_for_commands(settings.DATABASES)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    os.umask(0o077)  # only this user may read the database and exported files
    execute()


def execute() -> None:
    """Run the command. Exits with one sentence if the database cannot be used."""
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except BrokenPipeError:
        # The reader of the output has closed it, like `head`. Python must not fail again when it flushes at
        # the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except DatabaseError as error:
        sys.exit(sentence(error))


def sentence(error: Exception) -> str:
    """Return one sentence that says what is wrong with the database. Raises `error` again if it is a bug."""
    from core.db.outages import is_outage
    from itempath.installation import describe_failure

    if not is_outage(error):
        raise error
    return describe_failure(error)


if __name__ == "__main__":
    main()
