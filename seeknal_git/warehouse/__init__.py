"""The tables, views and state of a warehouse, behind the protocol `Warehouse`.

Read `protocol` and `model` first: the rest of the program speaks to an open warehouse in their
words alone, and opens one with the functions of `opening`. With sql/ this is the only package that
imports duckdb.
"""
