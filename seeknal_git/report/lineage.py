"""The lineage as one page that needs nothing but a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_PLACE = "@LINEAGE@"


def as_html(lineage: Mapping[str, Any]) -> str:
    """The page with its data in it; no name can end the script that holds them, as `<` is never written out."""
    data = json.dumps(lineage, separators=(",", ":")).replace("<", "\\u003c")
    page = files("seeknal_git.report").joinpath("lineage.html").read_text("utf-8")
    return page.replace(_PLACE, data, 1)
