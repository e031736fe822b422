from typing import IO, Any

from core.import_command import ImportCommand
from workitems.importing import import_work_items, read_file


class Command(ImportCommand):
    help = "Import work items, their organizations, users and links from a JSON file; all or nothing."

    def import_file(self, file: IO[bytes], options: dict[str, Any]) -> list[str]:
        lines = import_work_items(read_file(file.read()), dry_run=options["dry_run"])
        return lines or ["The file holds nothing to import."]
