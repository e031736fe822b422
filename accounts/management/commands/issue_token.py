from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import ApiKey, ApplicationToken, User
from accounts.roles import ROLES

NAMES = {role.name.lower(): role for role in ROLES}


def days(text: str) -> timedelta:
    try:
        return timedelta(days=float(text))
    except OverflowError as error:
        raise ArgumentTypeError("takes a number of days") from error


class Command(BaseCommand):
    help = "Give the application user NAME a role and print a new credential, alone, on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the application user; made if it is missing")
        parser.add_argument(
            "--role", choices=NAMES, required=True, help="replaces any other role of the user"
        )
        parser.add_argument(
            "--api-key", action="store_true", help="an API key instead of an application token"
        )
        parser.add_argument("--note", default="", help="what the credential is for")
        parser.add_argument(
            "--expires-in", type=days, metavar="DAYS", help="days until it expires; never if not given"
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        lifetime: timedelta | None = options["expires_in"]
        if lifetime is not None and not timedelta() < lifetime < timedelta(days=36_500):
            raise CommandError("--expires-in takes a number of days above 0 and below 36500.")
        self.require_text(options["name"], options["note"])
        user = self.find_user(options["name"], api_key=options["api_key"])
        user.set_role(NAMES[options["role"]])
        kind = ApiKey if options["api_key"] else ApplicationToken
        self.stdout.write(
            kind.issue(user, note=options["note"][:200], expires_at=lifetime and timezone.now() + lifetime)
        )

    def require_text(self, *texts: str) -> None:
        """Refuse unprintable arguments, such as those that were no UTF-8 and contain surrogates."""
        if any(not text.isprintable() for text in texts):
            raise CommandError("The name and the note take printable characters in UTF-8.")

    def find_user(self, name: str, *, api_key: bool) -> User:
        """Return the user of that name, created if missing.

        Raises `CommandError` for a user who may not have the credential.
        """
        user = User.objects.find(name) or self.create_user(User.normalize_username(name))
        if reason := self.reason_against(user, api_key=api_key):
            raise CommandError(f"{name} {reason}")
        return user

    def reason_against(self, user: User, *, api_key: bool) -> str | None:
        """Return why the user may not have the credential, to follow their name; `None` if they may."""
        if user.is_superuser:
            return "is a superuser; a token would carry every right. Choose another name."
        if not user.is_active:
            return "is inactive; no token of theirs would be accepted."
        if not api_key and user.type != User.Type.APPLICATION:
            return "is a person's account; only application users have application tokens. Add --api-key."
        return None

    def create_user(self, name: str) -> User:
        user = User(username=name, type=User.Type.APPLICATION)
        user.set_unusable_password()
        try:
            user.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        user.save()
        return user
