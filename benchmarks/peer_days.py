"""`make bench-peers`: three years of rows by day in Seeknal, dbt and SQLMesh, beside plain DuckDB.

After each step, the tables of each tool are compared with those that plain DuckDB makes of the same
files.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from benchmarks import days
from benchmarks.day_tools import Data, Dbt, Peer, Plain, Seeknal, SqlMesh
from benchmarks.process import Cost, install

STEPS = {
    "first": "first build",
    "nothing": "run again, nothing to do",
    "day": "one day more, in a file of its own",
    "correction": "a day of long ago was corrected",
    "told": "the same, told which day",
    "read": "read the table of orders",
}
_SHORT = 0.1  # seconds; three decimals below
_TABLES = {"orders": "id, customer, ordered_at, amount", "daily": "day, customer, orders, amount"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool took for a step, once for each repetition, and what its tables were then."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # none of reading, which is measured inside
    differs: list[bool] = field(default_factory=list)  # from those of plain DuckDB

    def add(self, spent: Cost, *, differs: bool) -> None:
        self.seconds.append(spent.seconds)
        self.cpu.append(spent.cpu)
        self.differs.append(differs)


def measure(peers: Sequence[Peer], data: Data, repeat: int) -> dict[str, dict[str, Found]]:
    """Step → peer → what was found. peers: plain DuckDB is the first."""
    found = {step: {peer.name: Found() for peer in peers} for step in STEPS}
    for _ in range(repeat):
        data.forget()
        for peer in peers:
            peer.forget()
        for step, by_peer in found.items():
            if step == "day":
                data.add_a_day()
            elif step == "correction":
                data.correct()
            _measure(step, peers, by_peer)
    return found


def _measure(step: str, peers: Sequence[Peer], found: Mapping[str, Found]) -> None:
    wanted: list[object] = []
    for peer in peers:
        print(f"measuring {step}, {peer.name}", file=sys.stderr)
        if step == "read":
            found[peer.name].seconds.append(days.read(peer.database, f"{peer.schema}.orders"))
            continue
        spent = peer.step(step)
        wanted = wanted or _rows(peer)
        if spent is not None:
            found[peer.name].add(spent, differs=_rows(peer) != wanted)


def _rows(peer: Peer) -> list[object]:
    """Number and hashes of the rows of both tables: alike if the rows are."""
    with duckdb.connect(str(peer.database), read_only=True) as connection:
        return [
            connection.execute(
                "SELECT count(*), bit_xor(h), sum(h::HUGEINT) "
                f"FROM (SELECT hash({columns}) AS h FROM {peer.schema}.{table})"
            ).fetchall()
            for table, columns in _TABLES.items()
        ]


def as_markdown(found: Mapping[str, Mapping[str, Found]], *, cpu: bool) -> str:
    """Medians, least in brackets, and ratios against plain DuckDB: for reading to its reading, else
    to its first build. cpu: seconds of the processor, not on the clock."""
    names = list(found["first"])
    lines = [f"| step | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    for step, by_peer in found.items():
        plain = _spent(found["read" if step == "read" else "first"][names[0]], cpu=cpu)
        if cells := [_cell(by_peer[name], plain, cpu=cpu) for name in names if plain]:
            lines.append(f"| {STEPS[step]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: Found, plain: Sequence[float], *, cpu: bool) -> str:
    if not (spent := _spent(found, cpu=cpu)):
        return ""
    median = statistics.median(spent)
    places = 3 if median < _SHORT else 2
    text = f"{median:.{places}f} s ({min(spent):.{places}f}), "
    text += f"{median / statistics.median(plain):.2f} x"
    return f"{text}, **not equal**" if any(found.differs) else text


def _spent(found: Found, *, cpu: bool) -> Sequence[float]:
    return found.cpu if cpu else found.seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer_days", description=__doc__)
    parser.add_argument("--dbt", type=Path, required=True, help="its virtual environment")
    parser.add_argument("--sqlmesh", type=Path, required=True, help="its virtual environment")
    parser.add_argument("--days", type=int, default=days.DAYS, help="dbt takes 0.1 s for each")
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seeknal-benchmarks-") as name:
        folder = Path(name)
        install(folder / "installed")
        rows = days.ROWS * given.days // days.DAYS
        data = Data(folder / "seeknal", rows, given.days)
        days.project(data.folder, rows, given.days)
        peers: list[Peer] = [
            Plain(data),
            Seeknal(data),
            Dbt(data, folder / "dbt", given.dbt.absolute() / "bin/dbt"),
            SqlMesh(data, folder / "sqlmesh", given.sqlmesh.absolute() / "bin/sqlmesh"),
        ]
        found = measure(peers, data, given.repeat)
    print(f"{rows:,} rows of {given.days:,} days; medians of {given.repeat}, and the least.")
    print(f"\nOn the clock\n\n{as_markdown(found, cpu=False)}")
    print(f"\nOf the processor\n\n{as_markdown(found, cpu=True)}")


if __name__ == "__main__":
    main()
