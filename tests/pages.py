"""Helpers that use the admin's pages as a browser does."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from connections.models import Connection
from tests.conftest import make_user

CONNECTIONS = "/admin/connections/connection/"


def make_connection(**fields: Any) -> Connection:
    """Store a connection; `password=`, `token=` and so on are its secrets."""
    secrets = {
        name: fields.pop(name)
        for name in ("password", "token", "private_key", "private_headers")
        if name in fields
    }
    connection = Connection(**{"name": "ERP", "type": "REST", "url": "https://erp.example.com/api", **fields})
    for name, text in secrets.items():
        connection.set_secret(name, text)
    connection.save()
    return connection


def reread(connection: Connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def make_superuser() -> User:
    return make_user("root", is_staff=True, is_superuser=True)


def browser(user: User | None, **options: Any) -> Client:
    client = Client(**options)
    if user is not None and not isinstance(user, AnonymousUser):
        client.force_login(user)
    return client


def manager_browser(**options: Any) -> Client:
    return browser(make_user("boss", Role.MANAGER, is_staff=True), **options)


def filled(page: Any, **changes: Any) -> dict[str, Any]:
    """Return the data that the form of `page` sends: its values with `changes`.

    `None` leaves a field out, as browsers do with a checkbox that is not ticked.
    """
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    return {
        name: "on" if value is True else value
        for name, value in {**as_sent(data), **changes}.items()
        if value is not None
    }


def as_sent(data: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value is False else "" if value is None else value for name, value in data.items()}


def page_of(connection: Connection) -> str:
    return f"{CONNECTIONS}{connection.pk}/change/"


def change(client: Client, connection: Connection, **changes: Any) -> Any:
    """Open the connection's page, make `changes` and save it."""
    return client.post(page_of(connection), filled(client.get(page_of(connection)), **changes))


def errors_of(page: Any) -> str:
    """Return the errors of the form on a page; an empty text if the answer is no page."""
    return str(page.context["adminform"].form.errors) if page.status_code == 200 else ""
