"""DuckDB's parser and binder, a SELECT taken apart (`analysis/`), and the proof that it can be
computed by partition (`locality/`)."""
