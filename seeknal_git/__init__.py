"""A git branch is a data environment; a merge is a release."""

__version__ = "0.1.0"
