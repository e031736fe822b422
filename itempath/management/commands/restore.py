from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from itempath.backups import BackupError, restore
from itempath.management.commands.backup import POSTGRESQL


class Command(BaseCommand):
    help = "Put a file that `backup` made in the place of the SQLite database; the server must be stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the backup")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(POSTGRESQL)
        try:
            contents, previous = restore(options["file"])
        except BackupError as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        if previous:
            self.stdout.write(f"The previous database is {previous}; remove it when it is not needed.")
        # `migrate` also advances versions beyond those that the lost database gave out, so that no old ETag
        # matches.
        call_command("migrate", verbosity=0)
        self.stdout.write(f"{contents.connections} connections are restored from {options['file']}.")
