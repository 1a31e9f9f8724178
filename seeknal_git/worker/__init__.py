"""The process that runs Python nodes; it imports nothing of the others.

Its modules need the standard library and DuckDB alone, as they run with the interpreter and the
packages that a node asks for. See docs/design/python-nodes.md.
"""
