"""Files in Git LFS: git keeps a pointer, and the checkout has the file itself."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

LARGEST_POINTER = 1024
_POINTER = re.compile(rb"version https://git-lfs[^\n]*\noid sha256:([0-9a-f]{64})\n")


def large_file_hash(content: bytes) -> str | None:
    """The SHA-256 of the file that a blob points to; None if the blob is no pointer."""
    pointer = _POINTER.match(content[:LARGEST_POINTER])
    return pointer[1].decode() if pointer else None


def sha256_of(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
