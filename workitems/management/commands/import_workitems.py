import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError

from core.import_schema import ImportRefused
from workitems.importing import import_work_items, read_file


def read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


class Command(BaseCommand):
    help = "Import work items, their organizations, users and links from a JSON file; all or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would change, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = import_work_items(read_file(read(options["file"])), dry_run=options["dry_run"])
        except ImportRefused as error:
            raise CommandError("\n".join([*error.faults, "Nothing was imported."])) from error
        except OperationalError:
            raise  # the database is away, locked or full: not the file's fault
        except DatabaseError as error:
            raise CommandError(f"The database refused a record; nothing was imported. {error}") from error
        if options["dry_run"]:
            self.stdout.write("This would change (nothing was changed):")
        for line in lines or ["The file holds nothing to import."]:
            self.stdout.write(line)
