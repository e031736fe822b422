"""Load a dataset file into the peers' own tables: python load.py DATABASE_URL FILE."""

import json
import sys

import psycopg

SCHEMA = """
drop table if exists integration, log, connection;
create table connection (
  id bigint primary key, app_id integer, name text not null, url text not null, password text not null, token text not null, is_testable boolean not null,
  authentication text not null, type text not null, username text not null, status smallint not null, latest_connection timestamptz, creation_date timestamptz not null,
  latest_log_id bigint, last_check timestamptz);
create table log (
  id bigint primary key, connection_id bigint not null, creation_date timestamptz not null, status smallint not null, description text not null, error text,
  app_id integer, integration_id bigint, workflow_id bigint, task_id bigint, time double precision);
create table integration (id bigint generated always as identity primary key, connection_id bigint not null, name text not null);
"""
AFTER = """
create index on log (connection_id, id); create index on integration (connection_id);
analyze connection; analyze log; analyze integration;
"""


def stored(flag):
    return "gAAAAA" + "x" * 94 if flag else ""


def main():
    url, file = sys.argv[1:]
    records = json.load(open(file))
    with psycopg.connect(url) as db, db.cursor() as cursor:
        cursor.execute("set timezone to 'UTC'")
        cursor.execute(SCHEMA)
        with cursor.copy("copy connection from stdin") as copy:
            for c in records:
                copy.write_row(
                    (
                        c["id"],
                        c["appId"],
                        c["name"],
                        c["url"],
                        stored(c["passwordExists"]),
                        stored(c["tokenExists"]),
                        c["isTestable"],
                        c["authentication"],
                        c["type"],
                        c["username"],
                        c["status"],
                        c["latestConnection"],
                        c["creationDate"],
                        c["latestLog"] and c["latestLog"]["id"],
                        c["lastCheck"],
                    )
                )
        with cursor.copy("copy log from stdin") as copy:
            for c in records:
                if log := c["latestLog"]:
                    copy.write_row(
                        (
                            log["id"],
                            c["id"],
                            log["creationDate"],
                            log["status"],
                            log["description"],
                            log["error"],
                            log["appId"],
                            log["integrationId"],
                            log["workflowId"],
                            log["taskId"],
                            log["time"],
                        )
                    )
        with cursor.copy("copy integration (connection_id, name) from stdin") as copy:
            for c in records:
                for number in range(c["integrationCount"]):
                    copy.write_row((c["id"], f"Integration {number}"))
        cursor.execute(AFTER)


main()
