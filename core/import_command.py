"""The base of the management commands that import a file."""

import sys
from argparse import ArgumentParser
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError

from core.importing import ImportRefused


def open_file(name: str) -> AbstractContextManager[IO[bytes]]:
    """Open the file `name` for reading; `-` is standard input, which stays open."""
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


class ImportCommand(BaseCommand):
    """Imports one file, all or nothing, and prints what changed or, with `--dry-run`, what would change."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        self.add_options(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would change, and change nothing"
        )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the options of one command, which its help shows before `--dry-run`."""

    def import_file(self, file: IO[bytes], options: dict[str, Any]) -> list[str]:
        """Import `file`; return what was done, a line each. Raises `ImportRefused`."""
        raise NotImplementedError

    def after_import(self, options: dict[str, Any]) -> None:
        """Do what follows once the lines are printed, also after a dry run."""

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = self.read_and_import(options)
        except ImportRefused as error:
            raise CommandError("\n".join([*error.faults, "Nothing was imported."])) from error
        except OperationalError:
            raise  # The database is unreachable, locked or full, for which the file is not to blame.
        except DatabaseError as error:
            raise CommandError(f"The database refused a record; nothing was imported. {error}") from error
        self.print_lines(lines, dry_run=options["dry_run"])
        self.after_import(options)

    def read_and_import(self, options: dict[str, Any]) -> list[str]:
        name = options["file"]
        try:
            with open_file(name) as file:
                return self.import_file(file, options)
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error

    def print_lines(self, lines: list[str], *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write("This would change (nothing was changed):")
        for line in lines:
            self.stdout.write(line)
