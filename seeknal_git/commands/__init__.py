"""The work of each command, without printing: the Python library."""
