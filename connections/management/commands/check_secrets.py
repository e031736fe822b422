from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections.secrets.rotation import find_unreadable


class Command(BaseCommand):
    help = "Name every stored secret that the configured keys do not open."

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for connection, secret, reason in find_unreadable():
            count += 1
            self.stdout.write(
                f"Connection {connection.pk} ({connection.name}), {secret.replace('_', ' ')}: {reason}"
            )
        if count:
            raise CommandError(f"{count} secrets cannot be opened.")
        self.stdout.write("Every stored secret can be opened.")
