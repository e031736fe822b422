import os
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import AbstractContextManager
from typing import IO, Any

from tqdm import tqdm

from accounts.models import ApiKey
from connections.demo import DEMO_READER
from connections.importing import Summary, import_records, read_records
from core.import_command import ImportCommand

FULL_PAGE = 1000  # connections that ItemPath answers at most, unless it is told otherwise


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


class Command(ImportCommand):
    help = "Import connections from a JSON array as GET /api/connections returns it; all or nothing."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--on-existing",
            choices=["fail", "skip", "overwrite"],
            default="fail",
            help="what to do with an id that exists",
        )
        parser.add_argument(
            "--id-offset",
            type=natural,
            default=0,
            metavar="N",
            help="added to the ids of connections, apps and log entries: "
            "lets a second ItemPath in beside the first",
        )

    def import_file(self, file: IO[bytes], options: dict[str, Any]) -> list[str]:
        with progress(file) as watched:
            self.summary = import_records(
                read_records(watched),
                on_existing=options["on_existing"],
                dry_run=options["dry_run"],
                id_offset=options["id_offset"],
            )
        return self.summary.lines()

    def after_import(self, options: dict[str, Any]) -> None:
        if self.summary.demo_removed and not options["dry_run"]:
            self.revoke_demo_keys()
        self.warn_of_full_page(self.summary)

    def revoke_demo_keys(self) -> None:
        """Revoke the keys that were printed to look at the examples: they would read what came instead."""
        for key in ApiKey.objects.usable().filter(user__username=DEMO_READER):
            key.revoke()
        self.stdout.write(
            "The keys printed with the examples are revoked. "
            "Change the password of the user admin if it is still the one printed."
        )

    def warn_of_full_page(self, summary: Summary) -> None:
        if summary.records != FULL_PAGE:
            return
        warning = (
            "Exactly 1000 records: ItemPath answers 1000 unless told otherwise. "
            "Fetch the list with ?limit=20000."
        )
        self.stderr.write(self.style.WARNING(warning))
