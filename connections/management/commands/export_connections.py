from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from connections.exporting import export_records
from connections.models import Connection


class Command(BaseCommand):
    help = (
        "Print every connection in the shape of GET /api/connections, for import_connections; "
        "secrets stay here."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        separator = "["
        for line in tqdm(
            export_records(), total=Connection.objects.count(), unit=" connections", disable=None
        ):
            self.stdout.write(f"{separator}\n{line}", ending="")
            separator = ","
        self.stdout.write("\n]" if separator == "," else "[]")
