"""Fill a migrated, empty PostgreSQL database by SQL alone: `python bench/grow.py URL 1000000 10`.

The numbers are those of connections, and of log entries for each. A million and ten take a few minutes. The
user must be a superuser, because the checks of foreign keys are switched off: every key is right by
construction.
"""

import sys
import time

import psycopg

APPS = """
INSERT INTO connections_app (id, name, demo)
SELECT n, 'App ' || n, false FROM generate_series(1, 7) AS n
"""

# Connection n has the log entries n, n + connections, n + 2 * connections and so on. The last one is its
# latest.
CONNECTIONS = """
INSERT INTO connections_connection (
  id, uid, app_id, name, name_key, type, authentication, url, username, test_endpoint, database_name, headers,
  api_key_header, token_url, scope, verify_certificate,
  password_sealed, password_exists, password_stored_at, token_sealed, token_exists, token_stored_at,
  private_key_sealed, private_key_exists, private_headers_sealed, private_headers_exists,
  status, latest_connection, creation_date, last_check, latest_log_id, integration_count, version, demo)
SELECT
  n, gen_random_uuid(), 1 + n %% 7, 'Connection ' || n, 'connection ' || n,
  (ARRAY['MSSQL', 'REST', 'PostgreSQL', 'GraphQL', 'PLC'])[1 + n %% 5],
  (ARRAY['Basic Authentication', 'HMAC Authentication', 'Basic Authentication', 'Bearer Token',
         'No Authentication'])[1 + n %% 5],
  'https://host' || n || '.example.com/api', 'user' || n, '', '', '[]', '', '', '', true,
  '', n %% 5 IN (0, 2), NULL, '', n %% 5 IN (1, 3), NULL, '', false, '', false, (n %% 10 < 9)::int,
  '2026-02-01'::timestamptz + n * interval '1 second 7 microseconds',
  '2026-01-01'::timestamptz + n * interval '1 second 3 microseconds',
  '2026-02-01'::timestamptz + n * interval '1 second 9 microseconds',
  n + %(connections)s::bigint * (%(logs)s - 1), n %% 4, nextval('connections_version'), false
FROM generate_series(1, %(connections)s) AS n
"""
LOGS = """
INSERT INTO logs_connectionlog (id, connection_id, creation_date, status, description, error, app_id, time)
SELECT
  n + %(connections)s::bigint * (%(round)s - 1), n,
  '2026-01-01'::timestamptz + %(round)s * interval '1 day' + n * interval '1 second 9 microseconds',
  (n %% 10 < 9)::int, CASE WHEN n %% 10 < 9 THEN 'Connection test complete' ELSE 'Connection test failed' END,
  CASE WHEN n %% 10 < 9 THEN NULL ELSE 'The host refused the connection.' END,
  1 + n %% 7, (n %% 1000) / 1000.0
FROM generate_series(1, %(connections)s) AS n
"""


def grow(url: str, connections: int, logs: int) -> None:
    with psycopg.connect(url) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(APPS)
        database.execute(CONNECTIONS, {"connections": connections, "logs": logs})
        for number in range(1, logs + 1):
            database.execute(LOGS, {"connections": connections, "round": number})
        for table in ("connections_app", "connections_connection", "logs_connectionlog"):
            database.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT max(id) FROM " + table + "))",
                [table],
            )
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    start = time.perf_counter()
    grow(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    print(f"{time.perf_counter() - start:.0f} s")
