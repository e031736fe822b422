"""Links go with their ends whoever deletes: a rule of the database itself, as no model can hold what SQL does.

SQLite keeps it in triggers. A later migration that makes one of these tables anew there, as most changes of a column
do, must `remove()` them before and `create()` them after: SQLite drops a table's triggers with it, and refuses to rename
a table that others' triggers name.
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
ALTER TABLE {links} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {table} (id) {rule} DEFERRABLE INITIALLY DEFERRED
"""


def create(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let the database delete links with their ends."""
    for column, table in TABLES.items():
        if schema_editor.connection.vendor == "postgresql":
            replace_foreign_key(schema_editor, column, "ON DELETE CASCADE")
        else:
            schema_editor.execute(TRIGGER.format(table=table, links=LINKS, column=column))


def remove(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let the database refuse to delete what has links, as Django's own foreign keys do."""
    for column, table in TABLES.items():
        if schema_editor.connection.vendor == "postgresql":
            replace_foreign_key(schema_editor, column, "")
        else:
            schema_editor.execute(f"DROP TRIGGER links_go_with_{table}")


def replace_foreign_key(schema_editor: BaseDatabaseSchemaEditor, column: str, rule: str) -> None:
    """Make the foreign key anew under its own name, which Django goes by."""
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
