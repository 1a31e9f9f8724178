"""The warehouse, and DuckDB as the authority on SQL. The only package that imports duckdb."""
