"""Parsers of addresses, which separate user names and passwords from what everyone may see.

The beginning of a text decides which grammar reads it:

- `lists`: keys and values, as in ODBC and ADO.NET (`Server=erp01;UID=sa;PWD={a@b}`) and in libpq
  (`host=db user=me`).
- `oracle`: `scott/tiger@//ora:1521/svc`, and descriptors such as `(DESCRIPTION=(ADDRESS=(HOST=ora)…))`.
- `urls`: everything else, with or without a scheme: `jdbc:sqlserver://erp01;user=sa`, `db:5432/wms?user=me`,
  `HOST\\INSTANCE`.

`parsing` chooses the grammar. The text of a parsed address has neither a user name nor a password. If
`leftovers` finds what may still be a secret, the address has a `fault`.
"""
