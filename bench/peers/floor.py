"""The floor: a WSGI function, one psycopg query, orjson, PyJWT. DATABASE_URL and JWT_KEY come from the environment."""

import os
from urllib.parse import parse_qs

import jwt
import orjson
import psycopg

KEY = os.environ["JWT_KEY"]
DATE = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
QUERY = f"""
select c.id, c.app_id, c.name, c.url, c.password <> '', c.token <> '', c.is_testable, c.authentication, c.type, c.username, c.status,
  {DATE.format("c.latest_connection")}, {DATE.format("c.creation_date")}, l.id, {DATE.format("l.creation_date")}, l.status, l.description, l.error, l.app_id, l.integration_id,
  l.workflow_id, l.task_id, l.time, (select count(*) from integration i where i.connection_id = c.id), {DATE.format("c.last_check")}
from connection c left join log l on l.id = c.latest_log_id"""
LIST = QUERY + " order by c.id limit %s"
SHOW = QUERY + " where c.id = %s"
NAMES = (
    "id",
    "appId",
    "name",
    "url",
    "passwordExists",
    "tokenExists",
    "isTestable",
    "authentication",
    "type",
    "username",
    "status",
    "latestConnection",
    "creationDate",
    "latestLog",
    "integrationCount",
    "lastCheck",
)
LOG_NAMES = (
    "id",
    "creationDate",
    "status",
    "description",
    "error",
    "appId",
    "integrationId",
    "workflowId",
    "taskId",
    "time",
)
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)


def record(row):
    log = dict(zip(LOG_NAMES, row[13:23])) if row[13] is not None else None
    return dict(zip(NAMES, (*row[:13], log, *row[23:])))


def application(environ, start_response):
    jwt.decode(environ["HTTP_AUTHORIZATION"][7:], KEY, algorithms=["HS256"])
    number = environ["PATH_INFO"].removeprefix("/api/connections").strip("/")
    if number:
        answer = record(db.execute(SHOW, [number]).fetchone())
    else:
        limit = int(parse_qs(environ["QUERY_STRING"]).get("limit", ["1000"])[0])
        answer = [record(row) for row in db.execute(LIST, [limit])]
    body = orjson.dumps(answer)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
