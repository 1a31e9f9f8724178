"""The tables, views and state of a warehouse. No value of DuckDB's leaves it."""
