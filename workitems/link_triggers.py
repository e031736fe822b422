"""A rule of the database: when a work item is deleted, its links are deleted too, also if SQL deletes it.

PostgreSQL does this by `ON DELETE CASCADE`, SQLite by triggers. Most changes of a column make Django rebuild
the table on SQLite. A later migration that does so with one of these tables must call `remove()` before and
`create()` after: SQLite drops the triggers of a table together with it, and it refuses to rename a table that
another trigger names.
"""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

LINKS = "workitems_link"
TABLES = {f"{end}_id": f"workitems_{end}" for end in ("item", "bug", "backlog", "initiative")}

TRIGGER = """
CREATE TRIGGER links_go_with_{table} AFTER DELETE ON {table}
BEGIN DELETE FROM {links} WHERE {column} = OLD.id; END
"""
FOREIGN_KEY = """
ALTER TABLE {links} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {table} (id) {rule}
DEFERRABLE INITIALLY DEFERRED
"""


def create(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the database delete the links of a work item together with it."""
    for column, table in TABLES.items():
        if schema_editor.connection.vendor == "postgresql":
            replace_foreign_key(schema_editor, column, "ON DELETE CASCADE")
        else:
            schema_editor.execute(TRIGGER.format(table=table, links=LINKS, column=column))


def remove(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the database refuse to delete a work item that has links, as Django's own foreign keys do."""
    for column, table in TABLES.items():
        if schema_editor.connection.vendor == "postgresql":
            replace_foreign_key(schema_editor, column, "")
        else:
            schema_editor.execute(f"DROP TRIGGER links_go_with_{table}")


def replace_foreign_key(schema_editor: BaseDatabaseSchemaEditor, column: str, rule: str) -> None:
    """Replace the foreign key of a column by one with `rule`; it keeps the name that Django gave it."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, LINKS)
    name = next(
        name for name, each in constraints.items() if each["foreign_key"] and each["columns"] == [column]
    )
    quoted = schema_editor.quote_name(name)
    schema_editor.execute(f"ALTER TABLE {LINKS} DROP CONSTRAINT {quoted}")
    schema_editor.execute(
        FOREIGN_KEY.format(links=LINKS, name=quoted, column=column, table=TABLES[column], rule=rule)
    )
