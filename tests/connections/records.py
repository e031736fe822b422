"""Records as an import reads and an export writes them, and what is stored of them."""

import io
import json
from pathlib import Path
from typing import Any

from auditlog.models import LogEntry
from django.core.management import call_command

from connections.models import App, Connection, Integration
from logs.models import ConnectionLog

MODELS: tuple[Any, ...] = (App, Connection, Integration, ConnectionLog, LogEntry)
Record = dict[str, Any]


def log(id: int, /, **fields: Any) -> Record:
    return {
        "id": id,
        "creationDate": "2026-05-07T13:30:00.603010",
        "status": 1,
        "description": "Connection test complete",
        "error": None,
        "appId": None,
        "integrationId": None,
        "workflowId": None,
        "taskId": None,
        "time": 0.42,
    } | fields


def record(id: int, /, **fields: Any) -> Record:
    return {
        "id": id,
        "appId": None,
        "name": f"Connection {id}",
        "url": "https://api.example.com",
        "passwordExists": False,
        "tokenExists": False,
        "isTestable": True,
        "authentication": "No Authentication",
        "type": "REST",
        "username": "",
        "status": 0,
        "latestConnection": None,
        "creationDate": "2026-05-01T10:12:45.000000",
        "latestLog": None,
        "integrationCount": 0,
        "lastCheck": None,
    } | fields


def write(file: Path, content: object) -> Path:
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


def everything() -> list[list[Record]]:
    return [list(model.objects.order_by("pk").values()) for model in MODELS]


def export() -> str:
    out = io.StringIO()
    call_command("export_connections", stdout=out)
    return out.getvalue()


def exported() -> Any:
    return json.loads(export())


def one(id: int = 1) -> Connection:
    return Connection.objects.get(pk=id)
