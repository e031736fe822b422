from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections.secrets.rotation import Progress, remaining, rotate


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret with the first key of CONNECTION_SECRET_KEYS. "
        "May be interrupted and repeated."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        progress = Progress()
        for progress in rotate():
            self.stdout.write(f"{progress.rotated} rotated")
        left = remaining()
        self.stdout.write(f"{progress.rotated} secrets rotated, {left} remain on old keys.")
        if progress.unreadable:
            raise CommandError(
                f"{progress.unreadable} secrets cannot be opened; `manage.py check_secrets` names them."
            )
        if left == 0:
            self.stdout.write("Old keys can be removed from CONNECTION_SECRET_KEYS.")
