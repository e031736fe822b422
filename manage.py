#!/usr/bin/env python
"""Run Django's commands and the registry's own: `python manage.py help`."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from core.db.postgresql.limits import lift_for_commands
    from itempath.startup_log import log_as_json

    if sys.argv[1:2] == ["serve"]:
        log_as_json()
    try:
        lift_for_commands(
            settings.DATABASES
        )  # reads the settings, so that a bad one is one sentence and no traceback
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    os.umask(0o077)  # the database and what is exported are for this user alone
    try:
        execute_from_command_line(sys.argv)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader had enough
    except DatabaseError as error:
        sys.exit(sentence(error))


def sentence(error: Exception) -> str:
    """Return what is wrong with the database. Raises `error` again if it is a bug."""
    from core.db.outages import is_outage
    from itempath.installation import describe_failure

    if not is_outage(error):
        raise error
    return describe_failure(error)


if __name__ == "__main__":
    main()
