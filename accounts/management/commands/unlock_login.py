from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.login_throttle import ADDRESS_LIMIT, digest
from accounts.models import LoginWindow, User


class Command(BaseCommand):
    help = "Forget the failed logins of USER, so that they may log in again at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the user name")

    def handle(self, *args: Any, **options: Any) -> None:
        known, name = User.objects.find(options["user"]), options["user"]
        if known is None:
            raise CommandError(f"There is no user {name}.")
        user = digest(User.normalize_username(known.username))
        counted = LoginWindow.objects.filter(key=LoginWindow.user_key(user)).first()
        LoginWindow.objects.of_user(user).delete()
        if counted is None or not counted.failures:
            self.stdout.write(f"No failed login of {name} was counted.")
            return
        self.stdout.write(
            f"{len(counted.failures)} failed logins of {name} are forgotten. "
            f"An address with {ADDRESS_LIMIT} failures is still locked."
        )
