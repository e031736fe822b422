from typing import Any

from rest_framework.test import APIClient

from connections.models import App, Connection

PATH = "/api/connections"

# The 15 fields that filter and sort, and where the model keeps those of another name.
FIELDS = {
    "id": "id",
    "appId": "app_id",
    "name": "name",
    "url": "url",
    "passwordExists": "password_exists",
    "tokenExists": "token_exists",
    "isTestable": "is_testable",
    "authentication": "authentication",
    "type": "type",
    "username": "username",
    "status": "status",
    "latestConnection": "latest_connection",
    "creationDate": "creation_date",
    "integrationCount": "integration_count",
    "lastCheck": "last_check",
}


def store(rows: list[dict[str, Any]]) -> None:
    """Create the connections that `rows` describe by the names of the API, and their apps."""
    App.objects.bulk_create(App(id=app, name=f"App {app}") for app in {row["appId"] for row in rows} - {None})
    # isTestable is computed by the database.
    Connection.objects.bulk_create(
        Connection(**{FIELDS[name]: value for name, value in row.items() if name != "isTestable"})
        for row in rows
    )


def make(*names: str, **fields: Any) -> list[Connection]:
    """Create a connection for each name; ids count from 1."""
    rows = [
        Connection(id=number, name=name, **{"type": "REST"} | fields) for number, name in enumerate(names, 1)
    ]
    return Connection.objects.bulk_create(rows)


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()]


def refused(response: Any, status: int = 422) -> dict[str, str]:
    """Return what a refusal says of each field; check that it has the one shape of all errors."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["msg", "errors"]
    assert body["msg"]
    faults = {name: fault for each in body["errors"] for name, fault in each.items()}
    assert [list(each) for each in body["errors"]] == [[name] for name in faults]
    assert all(list(fault) == ["message"] and fault["message"] for fault in faults.values())
    return {name: fault["message"] for name, fault in faults.items()}


def get_with_body(api: APIClient, body: Any, path: str = PATH, content_type: str = "application/json") -> Any:
    return api.generic("GET", path, body, content_type=content_type)
