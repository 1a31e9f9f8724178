"""DuckDB's parser and binder, and a SELECT taken apart (`analysis/`)."""
