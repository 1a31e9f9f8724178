"""The tables, views and state of a warehouse, behind the protocol `Warehouse`.

Read `protocol` and `model` first: the rest of the program uses nothing else, and opens a warehouse
with `duckdb_file.open_warehouse`. With sql/ this is the only package that imports duckdb.
"""
