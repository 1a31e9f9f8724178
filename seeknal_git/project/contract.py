"""The contract of a source: a new load is compared with the one before, and follows it or drifts.

The first load of a source is guessed, and the guess is kept with its table. A later load is read in
the same way if its values allow it; if they do not, somebody has to say so in the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.guess import FORMATS, Guess, said, spelt, unfit
from seeknal_git.project.guessing import guessed
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.readers import (
    NO_VALUES,
    Contract,
    as_text,
    csv_select,
    json_pinned,
    json_select,
    parquet_select,
)
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.widening import TEXT, is_number, wider


@dataclass(frozen=True, slots=True)
class Drift:
    """A difference from the way in which the source was read before."""

    # The file that differs.
    path: str
    message: str
    # The line to add to the node, if the file is right.
    line: str


@dataclass(frozen=True, slots=True)
class Reader:
    """How the files of a source are read."""

    sql: str
    columns: Columns
    # Kept with the table, for the next load.
    dialect: Mapping[str, Any] = field(default_factory=dict)
    # A hash of everything that was taken from the contract. It decides the table as the files do.
    adopted: str = ""
    # Differences that do not fit the contract.
    drifts: tuple[Drift, ...] = ()
    # Differences that fit: for each a sentence, and its cure.
    told: tuple[tuple[str, str], ...] = ()


def reader_now(source: Node, root: DataRoot) -> Reader:
    """The reader of a source's files as they are now. Raises ProjectError if they do not fit."""
    return without_drift(source, read_by(source, root, guessed(source, root)[1]))


def without_drift(source: Node, reader: Reader) -> Reader:
    """The same reader. Raises ProjectError if the files do not fit."""
    if errors := drifted(source, reader)[0]:
        raise ProjectError(errors)
    return reader


def drifted(source: Node, reader: Reader) -> tuple[list[Problem], list[Problem]]:
    """The drifts of a source as errors and warnings; as warnings alone with `on_drift: warn`."""
    found = [unfit(source, drift.path, drift.message, _cure(drift)) for drift in reader.drifts]
    return ([], found) if _only_warns(source) else (found, [])


_WARN = "`on_drift: warn`"


def _cure(drift: Drift) -> str:
    more = (
        ", which takes whatever comes" if drift.line == _WARN else f"; {_WARN} takes whatever comes"
    )
    return f"If that is meant, add to the node: {drift.line}{more}. Else correct the file."


def told(source: Node, reader: Reader) -> list[Problem]:
    """Notes on guesses that may be wrong."""
    line = source.line("params.path" if "params.path" in source.lines else "table")
    said = (f"{source.id}: {what} {cure}".rstrip() for what, cure in reader.told)
    return [Problem(message, source.path, line, node=source.id) for message in said]


def _only_warns(source: Node) -> bool:
    params = source.document.get("params")
    said = source.document.get("on_drift") or (
        params.get("on_drift") if isinstance(params, dict) else None
    )
    return said == "warn"


def read_by(source: Node, root: DataRoot, guess: Guess) -> Reader:
    """The reader of a source: as before, if there is a contract and the values allow it. Files that
    were read before are no news, whatever came later. Raises ProjectError for files that cannot be
    read."""
    if guess.error:
        raise ProjectError([unfit(source, *guess.error)])
    contract = root.contracts.get(source.id)
    settled = _Settled(
        source, root, guess, contract or Contract(), dict(guess.columns), dict(guess.dialect)
    )
    settled.formats = {key: forms[0] for key, forms in guess.formats.items() if len(forms) == 1}
    if contract is not None:
        settled.compare()
    _refuse_undated(settled)
    news = settled.drifts or settled.told
    known = contract is None or not news or _contents(source, root) in contract.contents
    return Reader(
        sql=_select(settled),
        columns=tuple(settled.types.items()),
        dialect={**settled.dialect, **settled.formats},
        adopted=digest("read as", *(f"{name}: {word}" for name, word in sorted(settled.adopted)))
        if settled.adopted
        else "",
        drifts=() if known else tuple(settled.drifts),
        told=(*guess.notes, *_undated(settled), *(() if known else settled.told)),
    )


def _refuse_undated(settled: _Settled) -> None:
    """Raise ProjectError for columns that are declared as dates, and may be either of two: the
    engine would choose."""
    guess, source = settled.guess, settled.source
    for key, names in guess.undated.items():
        declared = [name for name in names if guess.declared.get(name, TEXT) != TEXT]
        if declared and key not in settled.formats and not settled.takes_format(FORMATS[key]):
            why, cure = _open_dates(guess, key)
            raise ProjectError(
                [
                    unfit(
                        source, guess.files[0][0], f"the dates in {', '.join(declared)} {why}", cure
                    )
                ]
            )


def _open_dates(guess: Guess, key: str) -> tuple[str, str]:
    """The reason why nobody can know which dates are meant, and the cure."""
    forms = guess.formats[key]
    why = f"may be {' and '.join(forms)}" if forms else "are written in different ways"
    return why, f'Say which it is: `params: {{{key}: "{forms[0] if forms else "%d/%m/%Y"}"}}`.'


def _undated(settled: _Settled) -> list[tuple[str, str]]:
    """Notes on dates that are read as text."""
    found = []
    for key, undated in settled.guess.undated.items():
        names = [name for name in undated if name not in settled.guess.declared]
        if names and key not in settled.formats:
            why, cure = _open_dates(settled.guess, key)
            found.append(
                (f"The dates in {', '.join(names)} {why}, so they are read as text.", cure)
            )
    return found


def _contents(source: Node, root: DataRoot) -> str:
    return root.own_contents(source, root.files(source))


# The engine's type for a column in which no row has a value.
_NO_VALUES = {"csv": TEXT, "json": NO_VALUES, "jsonl": NO_VALUES, "parquet": None}


@dataclass(slots=True)
class _Settled:
    """A reader that is being put together."""

    source: Node
    root: DataRoot
    guess: Guess
    contract: Contract
    types: dict[str, str]
    dialect: dict[str, Any]
    formats: dict[str, str] = field(default_factory=dict)
    # Everything that is taken from the contract.
    adopted: list[tuple[str, str]] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    def compare(self) -> None:
        self._compare_dialect()
        if self.drifts:  # columns are others then, and say nothing
            return
        names = {folded(name): name for name in self.types}
        for before, was in self.contract.columns:
            if folded(before) in names:
                self._compare_type(names.pop(folded(before)), was)
            elif before not in self.guess.declared:
                message = f"the column {before} is gone"
                self.drifts.append(Drift(self._first_without(before), message, _WARN))
        if self.contract.columns:
            self.told += [(f"The column {name} is new.", "") for name in names.values()]

    def _compare_dialect(self) -> None:
        for name, param in (("delim", "delimiter"), ("header", "header"), ("quote", "quote")):
            now, was = self.dialect.get(name), self.contract.dialect.get(name)
            lonely = name == "delim" and len(self.types) == 1
            if None in (now, was) or now == was or (name == "quote" and "" in (now, was)) or lonely:
                continue
            message = f"its {param} is {spelt(now)}, and was {spelt(was)}"
            line = f"`params: {{{param}: {spelt(now)}}}`"
            self.drifts.append(Drift(self.guess.files[0][0], message, line))

        if self.dialect.get("null_padding") and not self.contract.dialect.get("null_padding", True):
            path, why = self.guess.gaps or (self.guess.files[0][0], "its lines have gaps")
            self.drifts.append(Drift(path, why, "`params: {null_padding: true}`"))

    def _compare_type(self, name: str, was: str) -> None:
        now = self.types[name]
        if name in self.guess.declared or was in ("", now):
            return
        if self._fits(name, now, was):
            self.types[name] = was
            self.adopted.append((name, was))
        elif is_number(now) and is_number(was):
            self.types[name] = wider(now, was) or now
            self.told.append((f"The column {name} is {self.types[name]} now, and was {was}.", ""))
        else:
            self.drifts.append(self._flipped(name, now, was))

    def _fits(self, name: str, now: str, was: str) -> bool:
        """Whether the values can be read as before, and say the same."""
        form = str(self.source.definition["format"])
        if wider(now, was) == was or (was == TEXT and form != "parquet"):
            return True
        if now == TEXT and form == "csv" and self.takes_format(was):
            return True
        return now == _NO_VALUES[form] and not self._has_values(name)

    def takes_format(self, was: str) -> bool:
        """Whether dates that may have one of two formats may have the one of before."""
        key = next((key for key, kind in FORMATS.items() if kind == was), "")
        known = self.contract.dialect.get(key)
        if (
            known is None
            or len(self.guess.formats.get(key, ())) < 2
            or known not in self.guess.formats[key]
        ):
            return False
        self.formats[key] = known
        self.adopted.append((key, known))
        return True

    def _has_values(self, name: str) -> bool:
        from seeknal_git.sql.ragged import has_values

        given = self.source.definition["options"]
        with self.root.opened(self.source) as opened:
            if not self.dialect:
                return has_values(json_select(given), opened.paths, [name])[0]
            found = [path for path, _ in self._files_with(name, opened.paths)]
            return has_values(csv_select(given, self.dialect), found, [name])[0]

    def _files_with(self, name: str, paths: Sequence[Path]) -> list[tuple[Path, tuple[str, str]]]:
        """The files that have a column: where each is, its path, and the column's type there."""
        return [
            (at, (path, word))
            for at, (path, columns) in zip(paths, self.guess.files, strict=True)
            for column, word in columns
            if folded(column) == folded(name)
        ]

    def _first_without(self, name: str) -> str:
        lacking = [
            path
            for path, columns in self.guess.files
            if folded(name) not in {folded(column) for column, _ in columns}
        ]
        return (
            lacking[0]
            if len(self.guess.files) == 1 or not lacking
            else self.source.definition["path"]
        )

    def _flipped(self, name: str, now: str, was: str) -> Drift:
        path, value = self._culprit(name, was)
        shown = f" (as in {value!r})" if value is not None else ""
        message = f"the column {name} is {said(now)}{shown}, and was {said(was)}"
        return Drift(path, message, f"`schema: [{{name: {name}, data_type: {_declarable(now)}}}]`")

    def _culprit(self, name: str, was: str) -> tuple[str, str | None]:
        """The first file whose values are no longer of a type, and one of these values."""
        from seeknal_git.sql.sniff import misfit

        first = (
            self.guess.files[0][0]
            if len(self.guess.files) == 1
            else str(self.source.definition["path"])
        )
        with self.root.opened(self.source) as opened:
            for at, (path, word) in self._files_with(name, opened.paths):
                if wider(word, was) != was:
                    sql = (
                        csv_select(self.source.definition["options"], self.dialect)
                        if self.dialect
                        else ""
                    )
                    return path, misfit(sql, at, name, was) if sql else None
        return first, None


def _declarable(word: str) -> str:
    return f'"{word}"' if "," in word else word


def _types_to_cast(settled: _Settled) -> dict[str, str]:
    """Column → type, for each column that does not have this type in all Parquet files."""
    own: dict[str, set[str]] = {}
    for _, columns in settled.guess.files:
        for name, word in columns:
            own.setdefault(folded(name), set()).add(word)
    return {name: word for name, word in settled.types.items() if own.get(folded(name)) != {word}}


def _select(settled: _Settled) -> str:
    """The SELECT over `$files`, with everything pinned that was guessed."""
    given, declared = settled.source.definition["options"], settled.guess.declared
    form = settled.source.definition["format"]
    if form == "csv":
        return csv_select({**given, **settled.formats}, settled.dialect, settled.types)
    if form == "parquet":
        return parquet_select(given, _types_to_cast(settled))
    if settled.guess.is_each:
        return json_pinned(given, tuple(settled.types.items()), declared)
    if not declared and not settled.adopted:
        return json_select(given)
    types = {
        name: as_text(word) if name in declared else word for name, word in settled.types.items()
    }
    return json_select(given, types, declared)
