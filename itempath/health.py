"""Whether the process runs, and whether it can serve. Neither tells an anonymous caller why not."""

import logging

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from connections.models import KeyProof
from connections.sealing import Unreadable

logger = logging.getLogger(__name__)


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 if the database answers, its migrations are applied and the keys open what is stored; else 503."""
    faults = list_faults()
    for fault in faults:
        logger.error("Not ready: %s", fault)
    return JsonResponse({"status": "unavailable" if faults else "ok"}, status=503 if faults else 200)


def list_faults() -> list[str]:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            return [f"{len(pending)} migrations are not applied; run `python manage.py migrate`"]
        KeyProof.verify()
    except Error as error:
        return [f"the database cannot be reached ({error})"]
    except Unreadable as error:
        return [f"CONNECTION_SECRET_KEYS are not the keys of this database ({error})"]
    return []
