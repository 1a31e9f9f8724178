"""The rows of sheets of Excel, as Parquet files beside git. An engine of its own reads a sheet,
since that takes an extension."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from seeknal_git.errors import ProjectError, SeeknalError
from seeknal_git.files import make_private
from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.guess import unfit
from seeknal_git.project.outsides import drop_unused, used
from seeknal_git.sql.engine_version import engine_version


def rows_of_sheet(source: Node, name: str, at: Path, blob: str, folder: Path) -> Path:
    """The file with the rows of a sheet, which is written once for a content and its options.

    name: of the sheet's file in the project; blob: of its content. Raises ProjectError.
    """
    from seeknal_git.sql.outside import Unreached, sheet_as_rows

    options = source.definition["sheet"]
    key = digest("sheet", blob, json.dumps(options, sort_keys=True), engine_version())
    found = folder / "sheets" / f"{key}.parquet"
    if used(found):
        return found
    for around in (folder, found.parent):
        make_private(around)
    partial = found.with_name(f"{key}.{uuid.uuid4().hex[:8]}.parquet")
    try:
        sheet_as_rows(at, options, partial)
        partial.replace(found)
        drop_unused(found.parent)
    except Unreached as exc:
        message = exc.message.removeprefix("excel: ").replace(str(at), name)
        raise ProjectError([unfit(source, name, message)]) from exc
    except SeeknalError as exc:
        raise ProjectError([unfit(source, name, exc.message, exc.hint or "")]) from exc
    finally:
        partial.unlink(missing_ok=True)
    return found
