"""Look through a packed file piece by piece: a few MB may stand for any number of GB, or for one line without end."""

from __future__ import annotations

import gzip
import time
import zlib
from pathlib import Path

_PIECE = 1 << 20


def fault_of_gzip(path: Path, seconds: float, longest: int | None) -> str | None:
    """Why a file is not to be read: it takes longer to unpack, or has a line of more bytes. None if it may be.

    A damaged file has no fault here: whoever reads it says so.
    """
    end, line = time.monotonic() + seconds, 0
    try:
        with gzip.open(path) as unpacked:
            while piece := unpacked.read(_PIECE):
                last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
                line = line + len(piece) if last < 0 else len(piece) - last - 1
                if longest is not None and line > longest:
                    return f"a line of it is longer than {longest // 1_000_000} MB"
                if time.monotonic() > end:
                    return f"it takes more than {seconds:.0f} s to unpack"
    except (OSError, EOFError, zlib.error):
        return None
    return None
