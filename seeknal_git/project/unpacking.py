"""Look through a packed file piece by piece: a few MB may stand for any number of GB, or for one
line without end."""

from __future__ import annotations

import gzip
import time
import zlib
from pathlib import Path

from seeknal_git.errors import limits, raising

Fault = tuple[str, str]  # the reason why a file is not read, and the cure

_PACKED = {".gz": "gzip", ".zst": "zstd"}
_PER_SECOND = 5 << 20
# gzip makes a thousandth of anything at best: a small file is unpacked in no time.
_SMALL = 256 << 10
_PIECE = 1 << 20


def packing_of(path: Path, given: str) -> str:
    """How a file is packed; "" for one that is not. given: the packing that the node names, or
    ""."""
    return given if given in _PACKED.values() else _PACKED.get(path.suffix.lower(), "")


def fault_of(path: Path, packing: str, longest: int | None) -> Fault | None:
    """Why a file is not to be read: it takes too long to unpack, or has a line of more bytes. None
    if it may be.

    A damaged file has no fault here: whoever reads it says so.
    """
    size = path.stat().st_size
    seconds = limits().unpack_seconds + size / _PER_SECOND
    late = (
        f"it takes more than {seconds:.0f} s to unpack",
        f"Unpack it, or divide it. {raising('unpack_seconds')}",
    )
    if packing == "gzip":
        return _fault_of_gzip(path, seconds, longest, late) if size > _SMALL else None
    if packing == "zstd":
        from seeknal_git.sql.sniff import unpacks_in

        return None if unpacks_in(path, seconds) else late
    return None


def _fault_of_gzip(path: Path, seconds: float, longest: int | None, late: Fault) -> Fault | None:
    end, line = time.monotonic() + seconds, 0
    try:
        with gzip.open(path) as unpacked:
            while piece := unpacked.read(_PIECE):
                last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
                line = line + len(piece) if last < 0 else len(piece) - last - 1
                if longest is not None and line > longest:
                    return (
                        f"a line of it is longer than {longest // 1_000_000} MB",
                        "Put line ends into it.",
                    )
                if time.monotonic() > end:
                    return late
    except (OSError, EOFError, zlib.error):
        return None
    return None
