import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError
from tqdm import tqdm

from accounts.models import ApiKey
from connections.demo import DEMO_READER
from connections.importing import Summary, import_records, read_records
from core.import_schema import ImportRefused

FULL_PAGE = 1000


def natural(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise ArgumentTypeError("takes a whole number of at most 18 digits")
    return int(text)


def progress(file: IO[bytes]) -> AbstractContextManager[Any]:
    """Return `file`, which shows on a terminal how far it was read."""
    size = file.seek(0, os.SEEK_END) if file.seekable() else None
    if size is not None:
        file.seek(0)
    return tqdm.wrapattr(file, "read", total=size, unit="B", unit_scale=True, disable=None)


class Command(BaseCommand):
    help = "Import connections from a JSON array as GET /api/connections returns it; all or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        parser.add_argument(
            "--on-existing",
            choices=["fail", "skip", "overwrite"],
            default="fail",
            help="what to do with an id that exists",
        )
        offset = "added to the ids of connections, apps and log entries: lets a second ItemPath in beside the first"
        parser.add_argument("--id-offset", type=natural, default=0, metavar="N", help=offset)
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would change, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            summary = self.read(options["file"], options)
        except ImportRefused as error:
            raise CommandError("\n".join([*error.faults, "Nothing was imported."])) from error
        except OperationalError:
            raise  # the database is away, locked or full: not the file's fault
        except DatabaseError as error:
            raise CommandError(f"The database refused a record; nothing was imported. {error}") from error
        self.report(summary, dry_run=options["dry_run"])

    def read(self, name: str, options: dict[str, Any]) -> Summary:
        try:
            with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
                chosen = {name: options[name] for name in ("on_existing", "dry_run", "id_offset")}
                with progress(file) as watched:
                    return import_records(read_records(watched), **chosen)
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error

    def report(self, summary: Summary, *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write("This would change (nothing was changed):")
        for line in summary.lines():
            self.stdout.write(line)
        if summary.demo_removed and not dry_run:
            self.retire_demo_keys()
        if summary.records == FULL_PAGE:
            warning = "Exactly 1000 records: ItemPath answers 1000 unless told otherwise. Fetch the list with ?limit=20000."
            self.stderr.write(self.style.WARNING(warning))

    def retire_demo_keys(self) -> None:
        """Revoke the keys that were printed to look at the examples: they would read what came instead."""
        for key in ApiKey.objects.usable().filter(user__username=DEMO_READER):
            key.revoke()
        self.stdout.write(
            "The keys printed with the examples are revoked. Change the password of the user admin if it is still the one printed."
        )
