"""Reads and writes git. The only package that imports pygit2."""
