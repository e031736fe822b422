from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from itempath.backups import BackupError, Contents, back_up

POSTGRESQL = "On PostgreSQL pg_dump makes a backup and pg_restore restores it: docs/secrets.md has the lines."


class Command(BaseCommand):
    help = "Write a consistent copy of the SQLite database to a new file, while the server runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file to make; one that is there is not overwritten")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(POSTGRESQL)
        try:
            contents = back_up(options["file"])
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.report(options["file"], contents)

    def report(self, file: Path, contents: Contents) -> None:
        self.stdout.write(
            f"{file} holds {contents.connections} connections. {self.needs(sorted(contents.keys))}"
        )
        if missing := contents.missing_keys():
            warning = "Not among CONNECTION_SECRET_KEYS, and needed to decrypt what they encrypted"
            self.stderr.write(self.style.WARNING(f"{warning}: {', '.join(missing)}"))

    def needs(self, keys: list[str]) -> str:
        """Return what an operator must keep to be able to restore the backup."""
        if not keys:
            return "It holds no secrets."
        needed = f"the key {keys[0]}" if len(keys) == 1 else f"the keys {', '.join(keys)}"
        return (
            f"To restore it, CONNECTION_SECRET_KEYS must have {needed}: keep a copy of .env in another place."
        )
