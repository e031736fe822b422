import logging
import os
import secrets
import socket
import sys
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.models import ApiKey, User
from accounts.roles import Role
from connections.demo import DEMO_READER, has_demo, load_demo
from connections.models import Connection, KeyProof
from connections.secrets.encryption import DecryptionError
from core.db.outages import is_outage
from core.db.sqlite3.lock import keep_across_exec
from itempath.environment import BASE_DIR
from itempath.installation import database_name, describe_failure, note_installation, require_database
from workitems import demo as work_items
from workitems.models import Organization

logger = logging.getLogger(__name__)

DEMO_ADMIN = "admin"
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # only compared with


class Command(BaseCommand):
    help = "Prepare the database, say where everything is, and serve."

    def handle(self, *args: Any, **options: Any) -> None:
        self.require_free_port()
        try:
            password = self.prepare_database()
            unwritten = note_installation()
        except DatabaseError as error:
            if not is_outage(error):
                raise
            raise CommandError(describe_failure(error)) from error
        self.announce(password, unwritten)
        keep_across_exec(database_name())
        self.serve()

    def prepare_database(self) -> str | None:
        require_database()
        self.migrate()
        self.warn_of_other_keys()
        return self.load_demo()

    def warn_of_other_keys(self) -> None:
        """Log that the keys are wrong. The server starts anyway: lists work, and `/readyz` answers 503."""
        try:
            KeyProof.verify()
        except DecryptionError as error:
            logger.error("CONNECTION_SECRET_KEYS are not the keys of this database (%s)", error)

    def migrate(self) -> None:
        """Apply missing migrations. Looking first is faster than a `migrate` that has nothing to do."""
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, skip_checks=False)
        else:
            self.check(databases=["default"])

    @transaction.atomic
    def load_demo(self) -> str | None:
        """Fill an empty database with examples; return the demo admin's password, if that was done."""
        if not settings.DEMO or any(model.objects.exists() for model in (User, Connection, Organization)):
            return None
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(DEMO_ADMIN, password=password)
        reader = User.objects.create_user(DEMO_READER, type=User.Type.APPLICATION)
        reader.set_role(Role.READER)
        load_demo()
        work_items.load_demo(reader)
        return password

    def announce(self, password: str | None, unwritten: str | None) -> None:
        host = "localhost" if settings.HOST in ANY_ADDRESS else settings.HOST
        base = f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"
        self.stdout.write(f"Admin: {base}/admin/")
        if password:
            self.stdout.write(f"User {DEMO_ADMIN}, password {password} (shown this once)")
        if unwritten:
            self.stdout.write(
                f"Set {unwritten}, and a start without its database stops instead of making another"
            )
        self.stdout.write(self.curl_line(base))
        self.stdout.flush()

    def curl_line(self, base: str) -> str:
        token = self.demo_key() or "$TOKEN"
        return (
            f'curl "{base}/api/connections" -X get -H "Content-Type: application/json" '
            f"-H \"Authorization: Bearer {token}\" -d 'GET /api/connections'"
        )

    def demo_key(self) -> str | None:
        """Return a new read-only key for one day; `None` if the examples are gone."""
        reader = User.objects.filter(username=DEMO_READER, is_active=True).first()
        if reader is None or not has_demo():
            return None
        now = timezone.now()
        ApiKey.objects.filter(user=reader, expires_at__lt=now).delete()
        return ApiKey.issue(reader, note="printed by make run", expires_at=now + timedelta(days=1))

    def serve(self) -> None:
        """Replace this process by the server."""
        # With `-m`, Python looks for modules in the current folder, which may not be that of the project.
        path = os.pathsep.join([str(BASE_DIR), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "-m", "itempath.server"]
        os.execve(sys.executable, command, environment)  # noqa: S606  # it needs no shell

    def require_free_port(self) -> None:
        """Raises `CommandError` if the port is taken. Granian would share it with the other server."""
        family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.HOST, settings.PORT))
            except OSError as error:
                raise CommandError(
                    f"{settings.HOST} port {settings.PORT} cannot be used: {error.strerror}."
                ) from error
