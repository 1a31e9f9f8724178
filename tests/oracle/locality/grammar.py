"""Draws SELECTs over a world: such as can be computed by partition, and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from tests.oracle.locality.world import TIMES, ZONED, World, literal

# A time without a date has no zone.
TZ = {"DATE": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP", ZONED: ZONED}


class Column(NamedTuple):
    name: str
    type: str
    # Whether it is likely to be a key.
    key: bool = False


@dataclass(frozen=True)
class Drawn:
    """A query, or a table of a FROM under its alias."""

    sql: str
    columns: tuple[Column, ...]
    alias: str = ""


@dataclass
class Draw:
    world: World
    random: Random
    numbers: int = 0

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def fresh(self, letter: str) -> str:
        self.numbers += 1
        return f"{letter}{self.numbers}"

    def statement(self) -> Drawn:
        drawn = self.query(self.random.choice((0, 1, 1, 2)), {})
        if self.chance(0.03):
            drawn = replace(
                drawn, sql=f"{drawn.sql} {self.random.choice(('ORDER BY 1', 'LIMIT 2'))}"
            )
        return drawn

    # Queries

    def query(self, depth: int, ctes: dict[str, Drawn]) -> Drawn:
        if depth and self.chance(0.25):
            inner = dict(ctes)
            entries: list[str] = []
            for _ in range(self.random.choice((1, 2))):
                name = self.random.choice(("a", "b", "t", "w"))
                found = self.query(depth - 1, dict(inner))
                if name in [entry.split(" ")[0] for entry in entries]:
                    continue
                entries.append(f"{name} AS ({found.sql})")
                inner[name] = found
            body = self.select(depth - 1, inner)
            return replace(body, sql=f"WITH {', '.join(entries)} {body.sql}")
        if depth and self.chance(0.2):
            return self.set_operation(depth, ctes)
        return self.select(depth, ctes)

    def set_operation(self, depth: int, ctes: dict[str, Drawn]) -> Drawn:
        word = self.random.choice(
            (
                *("UNION ALL", "UNION ALL", "UNION ALL BY NAME", "UNION", "INTERSECT", "EXCEPT"),
                *("UNION BY NAME", "EXCEPT ALL", "INTERSECT ALL"),
            )
        )
        one = self.select(depth - 1, ctes)
        wanted = [replace_name(column, column.name) for column in one.columns]
        if "NAME" in word:
            self.random.shuffle(wanted)
        other = self.select(depth - 1, ctes, None if self.chance(0.1) else wanted)
        return Drawn(f"({one.sql}) {word} ({other.sql})", one.columns)

    def select(
        self, depth: int, ctes: dict[str, Drawn], wanted: Sequence[Column] | None = None
    ) -> Drawn:
        tables, text = self.from_clause(depth, ctes)
        scope = [(table.alias, column) for table in tables for column in table.columns]
        kind = self.random.choice(("plain", "plain", "grouped", "windows", "distinct", "starred"))
        where = f" WHERE {self.condition(scope, depth, ctes)}" if self.chance(0.35) else ""
        if self.chance(0.15) and len(tables) > 1:
            where = f" WHERE {self.equality(tables[0], tables[1])}"
        if kind == "starred" and wanted is None:
            return self.starred(tables, text + where)
        if kind == "grouped":
            return self.grouped(scope, text + where, depth, ctes, wanted)
        items, columns = self.items(scope, depth, ctes, wanted, windows=kind == "windows")
        distinct = ""
        if kind == "distinct":
            distinct = "DISTINCT "
            if self.chance(0.3):
                targets = [
                    self.reference(scope, columns) for _ in range(self.random.choice((1, 2)))
                ]
                positions = [str(self.random.randint(1, len(items)))]
                chosen = positions if self.chance(0.2) else targets
                keyed = ", ".join(chosen)
                sql = f"SELECT DISTINCT ON ({keyed}) {', '.join(items)} FROM {text}{where} ORDER BY ALL"
                return Drawn(sql if self.chance(0.3) else f"FROM ({sql})", columns)
        tail = ""
        if self.chance(0.08):
            tail = f" QUALIFY {self.window(scope, columns)} <= {self.random.randint(1, 2)}"
        if depth == 0 and self.chance(0.05):
            tail += self.random.choice((" LIMIT 2", " ORDER BY ALL"))
        return Drawn(f"SELECT {distinct}{', '.join(items)} FROM {text}{where}{tail}", columns)

    def starred(self, tables: Sequence[Drawn], text: str) -> Drawn:
        columns = [column for table in tables for column in table.columns]
        if len(tables) > 1 and self.chance(0.5):
            table = self.random.choice(tables)
            rest = [column for other in tables if other is not table for column in other.columns]
            extra = self.random.choice(rest) if rest else None
            return (
                Drawn(f"SELECT {table.alias}.* FROM {text}", table.columns)
                if extra is None or self.chance(0.7)
                else Drawn(
                    f"SELECT {extra.name}, {table.alias}.* FROM {text}", (extra, *table.columns)
                )
            )
        chosen = self.random.choice(columns)
        exceptions = self.random.choice(
            (
                "",
                "",
                f" EXCLUDE ({chosen.name})",
                f" REPLACE ({self.value(chosen.type, [('', c) for c in columns])} AS {chosen.name})",
                f" RENAME ({chosen.name} AS {self.random.choice('dekx')})",
            )
        )
        return Drawn(f"SELECT *{exceptions} FROM {text}", tuple(columns))

    def grouped(
        self,
        scope: list[tuple[str, Column]],
        text: str,
        depth: int,
        ctes: dict[str, Drawn],
        wanted: Sequence[Column] | None,
    ) -> Drawn:
        keys, columns = self.items(scope, 0, {}, wanted and wanted[:2], few=True)
        aggregates = []
        more = wanted[2:] if wanted else [None] * self.random.choice((0, 1, 2))
        for column in more:
            sql, type_ = self.aggregate(scope, column and column.type)
            name = column.name if column else self.random.choice("dexkn")
            aggregates.append(f"{sql} AS {name}")
            columns = (*columns, Column(name, type_))
        how = self.random.random()
        if how < 0.3:
            group = "GROUP BY ALL"
        elif how < 0.55:
            group = "GROUP BY " + ", ".join(str(n + 1) for n in range(len(keys)))
        elif how < 0.85:
            group = "GROUP BY " + ", ".join(key.rpartition(" AS ")[0] or key for key in keys)
        elif how < 0.95:
            group = "GROUP BY " + ", ".join(column.name for column in columns[: len(keys)])
        else:
            group = self.random.choice(
                ("", "GROUP BY ROLLUP (1)", "GROUP BY GROUPING SETS ((1), ())")
            )
            group = group.replace("1", keys[0].rpartition(" AS ")[0] or keys[0])
        having = f" HAVING {self.aggregate(scope, 'INTEGER')[0]} >= 1" if self.chance(0.2) else ""
        if self.chance(0.1):
            having += f" QUALIFY rank() OVER (PARTITION BY {self.reference(scope, columns)} ORDER BY {self.aggregate(scope, 'INTEGER')[0]}) = 1"
        return Drawn(
            f"SELECT {', '.join([*keys, *aggregates])} FROM {text} {group}{having}", columns
        )

    def items(
        self,
        scope: list[tuple[str, Column]],
        depth: int,
        ctes: dict[str, Drawn],
        wanted: Sequence[Column] | None,
        *,
        windows: bool = False,
        few: bool = False,
    ) -> tuple[list[str], tuple[Column, ...]]:
        if wanted is not None:
            return self.wanted_items(scope, wanted)
        items: list[str] = []
        columns: list[Column] = []
        keyed = [place for place in scope if place[1].key]
        if len(keyed) > 1 and self.chance(0.15):
            one, other = self.random.sample(keyed, 2)
            sql = f"coalesce({one[0]}.{one[1].name}, {other[0]}.{other[1].name})"
            self.add(items, columns, (sql, one[1].type), one[1])
        names = {place[1].name for place in keyed}
        for name in sorted(names):
            if self.chance(0.85):
                place = self.random.choice([place for place in keyed if place[1].name == name])
                self.add(items, columns, self.keyish(place, scope), place[1])
        for _ in range(self.random.choice((0, 1) if few else (0, 1, 2, 2))):
            if windows and self.chance(0.7):
                sql = self.window(scope, columns)
                self.add(items, columns, (sql, "INTEGER"), None)
            elif depth and self.chance(0.15):
                self.add(items, columns, (self.scalar_query(scope, ctes), "INTEGER"), None)
            elif self.chance(0.06) and any(c.type == "INTEGER[]" for _, c in scope):
                lists = [place for place in scope if place[1].type == "INTEGER[]"]
                sql = f"unnest({self.named(self.random.choice(lists), scope)})"
                self.add(items, columns, (sql, "INTEGER"), None)
            else:
                type_ = self.random.choice((*TIMES[:2], "INTEGER", "INTEGER", "VARCHAR"))
                self.add(items, columns, (self.value(type_, scope), type_), None)
        if not items:
            place = self.random.choice(scope)
            self.add(items, columns, (self.named(place, scope), place[1].type), place[1])
        order = list(range(len(items)))
        self.random.shuffle(order)
        return [items[n] for n in order], tuple(columns[n] for n in order)

    def wanted_items(
        self, scope: list[tuple[str, Column]], wanted: Sequence[Column]
    ) -> tuple[list[str], tuple[Column, ...]]:
        items = []
        for column in wanted:
            found = [place for place in scope if place[1].type == column.type]
            keyed = [place for place in found if place[1].key == column.key]
            if (keyed or found) and self.chance(0.85):
                sql = self.named(self.random.choice(keyed or found), scope)
            else:
                sql = self.value(column.type, scope)
            items.append(f"{sql} AS {column.name}")
        return items, tuple(wanted)

    def add(
        self,
        items: list[str],
        columns: list[Column],
        value: tuple[str, str],
        of: Column | None,
    ) -> None:
        sql, type_ = value
        bare = sql.rpartition(".")[2]
        is_name = bare.isidentifier()
        if is_name and self.chance(0.6):
            items.append(sql)
            columns.append(Column(bare, type_, bool(of and of.key)))
            return
        if self.chance(0.07):
            items.append(sql)  # the engine names it
            columns.append(Column(f'"{sql}"', type_, False))
            return
        usual = of.name if of and self.chance(0.6) else self.random.choice("dekxn")
        items.append(f"{sql} AS {usual}")
        columns.append(Column(usual, type_, bool(of and of.key)))

    # Expressions

    def named(self, place: tuple[str, Column], scope: Sequence[tuple[str, Column]]) -> str:
        alias, column = place
        is_single = sum(other.name == column.name for _, other in scope) == 1
        return (
            column.name
            if not alias or (is_single and self.chance(0.7))
            else f"{alias}.{column.name}"
        )

    def keyish(
        self, place: tuple[str, Column], scope: Sequence[tuple[str, Column]]
    ) -> tuple[str, str]:
        """A key, or something near it."""
        sql, type_ = self.named(place, scope), place[1].type
        if type_ not in TIMES or self.chance(0.55):
            return sql, type_
        unit = self.random.choice(
            ("hour", "day", "DAY", "week", "month", "quarter", "year", "minute")
        )
        zone = self.random.choice(("UTC", "UTC", "America/New_York"))
        return self.random.choice(
            (
                (f"date_trunc('{unit}', {sql})", ZONED if type_ == ZONED else "TIMESTAMP"),
                (f"date_trunc('{unit}', {sql})", ZONED if type_ == ZONED else "TIMESTAMP"),
                (f"{sql}::DATE", "DATE"),
                (f"CAST({sql} AS TIMESTAMP)", "TIMESTAMP"),
                (f"date_trunc('{unit}', {sql})::DATE", "DATE"),
                (f"TRY_CAST({sql} AS DATE)", "DATE"),
                (
                    f"({sql}::{TZ[type_]} AT TIME ZONE '{zone}')",
                    "TIMESTAMP" if type_ == ZONED else ZONED,
                ),
                (f"({sql} + INTERVAL 1 DAY)", ZONED if type_ == ZONED else "TIMESTAMP"),
                (f"coalesce({sql}, {literal(self.random, type_)})", type_),
                (f"{sql}::{type_}", type_),
            )
        )

    def value(self, type_: str, scope: Sequence[tuple[str, Column]]) -> str:
        found = [place for place in scope if place[1].type == type_]
        if not found or self.chance(0.1):
            return f"{literal(self.random, type_)}::{type_}"
        sql = self.named(self.random.choice(found), scope)
        match type_:
            case "INTEGER" if self.chance(0.4):
                return self.random.choice((f"{sql} + 1", f"coalesce({sql}, 0)", f"-{sql}"))
            case "VARCHAR" if self.chance(0.4):
                return self.random.choice((f"lower({sql})", f"{sql} || 'z'", f"{sql}"))
            case "DATE" | "TIMESTAMP" if self.chance(0.4):
                return self.keyish(self.random.choice(found), scope)[0]
        return sql

    def condition(
        self, scope: Sequence[tuple[str, Column]], depth: int, ctes: dict[str, Drawn]
    ) -> str:
        place = self.random.choice(scope)
        sql, type_ = self.named(place, scope), place[1].type
        if depth and self.chance(0.25):
            table = self.table(0, ctes, whole=self.chance(0.8))
            same = [column for column in table.columns if column.type == type_]
            if same:
                inner = f"SELECT {self.random.choice(same).name} FROM {table.sql}"
                return self.random.choice((f"{sql} IN ({inner})", f"EXISTS ({inner})"))
        return self.random.choice(
            (
                f"{sql} IS NOT NULL",
                f"{sql} IS NULL OR {sql} <= {literal(self.random, type_)}",
                f"{sql} IS DISTINCT FROM {self.value(type_, scope)}",
                f"{sql} >= {self.value(type_, scope)}",
                f"NOT ({sql} = {literal(self.random, type_)})",
            )
        )

    def equality(self, one: Drawn, other: Drawn) -> str:
        """A condition of a join, which mostly compares the keys."""
        pairs = [
            (left, right)
            for left in one.columns
            for right in other.columns
            if left.type == right.type or (left.key and right.key)
        ]
        keyed = [
            pair for pair in pairs if pair[0].key and pair[1].key and pair[0].name == pair[1].name
        ]
        keyed = keyed or [pair for pair in pairs if pair[0].key and pair[1].key]
        if keyed and self.chance(0.85):
            pairs = keyed if self.chance(0.9) else keyed[:1]
        elif pairs:
            pairs = [self.random.choice(pairs)]
        else:
            return "true"
        terms = []
        for left, right in pairs:
            word = self.random.choice(("=", "=", "=", "IS NOT DISTINCT FROM", "<="))
            word = word if self.chance(0.5) else "="
            sides = [
                self.keyish((table.alias, column), [("", column), ("", column)])[0]
                if self.chance(0.2)
                else f"{table.alias}.{column.name}"
                for table, column in ((one, left), (other, right))
            ]
            if self.chance(0.3):
                sides.reverse()
            terms.append(f" {word} ".join(sides))
        if self.chance(0.3):
            both = [
                *((one.alias, c) for c in one.columns),
                *((other.alias, c) for c in other.columns),
            ]
            terms.append(f"({self.condition([p for p in both if p[0]], 0, {})})")
        return (" AND " if self.chance(0.95) else " OR ").join(terms)

    def aggregate(self, scope: Sequence[tuple[str, Column]], type_: str | None) -> tuple[str, str]:
        numbers = [place for place in scope if place[1].type == "INTEGER"]
        if type_ in (None, "INTEGER", "BIGINT", "HUGEINT"):
            if not numbers or self.chance(0.4):
                return "count(*)::INTEGER", "INTEGER"
            sql = self.named(self.random.choice(numbers), scope)
            word = self.random.choice(("sum({})", "max({})", "count(DISTINCT {})", "min({})"))
            filtered = " FILTER (true)" if self.chance(0.1) else ""
            return f"({word.format(sql)}{filtered})::INTEGER", "INTEGER"
        found = [place for place in scope if place[1].type == type_]
        if not found:
            return f"max({literal(self.random, type_)}::{type_})", type_
        return (
            f"{self.random.choice(('min', 'max'))}({self.named(self.random.choice(found), scope)})",
            type_,
        )

    def reference(self, scope: Sequence[tuple[str, Column]], columns: Sequence[Column]) -> str:
        keyed = [place for place in scope if place[1].key]
        if columns and self.chance(0.2):
            return self.random.choice([*columns]).name
        if keyed and self.chance(0.8):
            return self.named(self.random.choice(keyed), scope)
        return self.named(self.random.choice(scope), scope)

    def window(self, scope: Sequence[tuple[str, Column]], columns: Sequence[Column]) -> str:
        keyed = [place for place in scope if place[1].key]
        partitions = [
            self.reference(scope, columns) for _ in range(self.random.choice((0, 1, 1, 2)))
        ]
        if keyed and self.chance(0.6):
            by_name = {place[1].name: place for place in keyed}
            partitions += [self.keyish(place, scope)[0] for place in by_name.values()]
        if keyed and self.chance(0.4):
            partitions = [self.named(place, scope) for place in keyed]
        order = self.reference(scope, columns)
        words = f"PARTITION BY {', '.join(partitions)} " if partitions else ""
        called = self.random.choice(("rank()", "dense_rank()", "count(*)", f"count({order})"))
        return f"({called} OVER ({words}ORDER BY {order}))::INTEGER"

    def scalar_query(self, scope: Sequence[tuple[str, Column]], ctes: dict[str, Drawn]) -> str:
        table = self.table(0, ctes, whole=self.chance(0.85))
        own = [("", column) for column in table.columns]
        sql, _ = self.aggregate([*own, *scope] if self.chance(0.4) else own, "INTEGER")
        place = self.random.choice(scope)
        same = [column for column in table.columns if column.type == place[1].type]
        outer = f"{place[0]}.{place[1].name}"
        asked = (
            f" WHERE {self.random.choice(same).name} = {outer}" if same and self.chance(0.6) else ""
        )
        return f"(SELECT {sql} FROM {table.sql}{asked})"

    # Tables

    def table(self, depth: int, ctes: dict[str, Drawn], *, whole: bool = False) -> Drawn:
        """A table with its alias."""
        if ctes and self.chance(0.5) and not whole:
            name = self.random.choice(list(ctes))
            alias = self.fresh("q")
            return self.aliased(f"{name}", ctes[name].columns, alias)
        if depth and self.chance(0.35):
            found = self.query(depth - 1, ctes)
            return self.aliased(f"({found.sql})", found.columns, self.fresh("q"))
        names = [name for name in ("t", "t", "t", "u", "u", "s", "w", "m") if name not in ctes]
        names = [name for name in names if name in "wm"] if whole else names
        name = self.random.choice(names or ["m"])
        table = self.world.tables[name]
        columns = tuple(
            Column(column, type_, column in table.key) for column, type_ in table.columns
        )
        return self.aliased(name, columns, self.fresh("q"))

    def aliased(self, sql: str, columns: tuple[Column, ...], alias: str) -> Drawn:
        if self.chance(0.08):
            names = [column.name for column in columns]
            self.random.shuffle(names)
            renamed = tuple(
                column._replace(name=name) for column, name in zip(columns, names, strict=True)
            )
            return Drawn(f"{sql} AS {alias} ({', '.join(names)})", renamed, alias)
        return Drawn(f"{sql} AS {alias}", columns, alias)

    def from_clause(self, depth: int, ctes: dict[str, Drawn]) -> tuple[list[Drawn], str]:
        one = self.table(depth, ctes)
        tables, text = [one], one.sql
        for _ in range(self.random.choice((0, 0, 1) if depth else (0, 0, 0, 1, 1, 2))):
            other = self.table(depth, ctes, whole=self.chance(0.3))
            beside = self.random.choice(tables)
            text, is_seen = self.join(text, beside, other)
            tables += [other] if is_seen else []
        if self.chance(0.05):
            lists = [c for table in tables for c in table.columns if c.type == "INTEGER[]"]
            if lists:
                alias = self.fresh("q")
                text += f", unnest({lists[0].name}) AS {alias} (v)"
                tables.append(Drawn("", (Column("v", "INTEGER"),), alias))
        if self.chance(0.05):
            place = self.random.choice([(t.alias, c) for t in tables for c in t.columns])
            alias, inner = self.fresh("q"), self.table(0, ctes, whole=self.chance(0.8))
            same = [c for c in inner.columns if c.type == place[1].type]
            if same:
                word = self.random.choice((",", " LEFT JOIN", " JOIN"))
                on = "" if word == "," else " ON true"
                text += (
                    f"{word} LATERAL (SELECT {same[0].name} AS v, count(*)::INTEGER AS n FROM {inner.sql}"
                    f" WHERE {same[0].name} >= {place[0]}.{place[1].name} GROUP BY 1) AS {alias}{on}"
                )
                tables.append(Drawn("", (Column("v", same[0].type), Column("n", "INTEGER")), alias))
        return tables, text

    def join(self, text: str, beside: Drawn, other: Drawn) -> tuple[str, bool]:
        kind = self.random.choice(
            ("JOIN",) * 6
            + ("LEFT JOIN",) * 5
            + ("RIGHT JOIN", "FULL JOIN", ",", "NATURAL JOIN") * 2
            + ("SEMI JOIN", "ANTI JOIN") * 2
            + ("ASOF JOIN", "ASOF LEFT JOIN", "POSITIONAL JOIN", "NATURAL LEFT JOIN")
        )
        is_seen = kind not in ("SEMI JOIN", "ANTI JOIN")
        if kind in (",",):
            return f"{text}, {other.sql}", is_seen
        if kind.startswith(("NATURAL", "POSITIONAL")):
            return f"{text} {kind} {other.sql}", is_seen
        if kind.startswith("ASOF"):
            same = [
                (one, two)
                for one in beside.columns
                for two in other.columns
                if one.type == two.type and one.type in TIMES
            ]
            if not same:
                return f"{text}, {other.sql}", True
            one, two = self.random.choice(same)
            # Equal rows on the right give equal answers only if nothing else is read of them.
            condition = f"{beside.alias}.{one.name} >= {other.alias}.{two.name}"
            return f"{text} {kind} {other.sql} ON {condition}", is_seen
        shared = {c.name for c in beside.columns if c.name.isidentifier()} & {
            c.name for c in other.columns
        }
        if shared and self.chance(0.4):
            keys = {column.name for column in other.columns if column.key} & shared
            names = keys if keys and self.chance(0.8) else {self.random.choice(sorted(shared))}
            if self.chance(0.2):
                names |= {self.random.choice(sorted(shared))}
            return f"{text} {kind} {other.sql} USING ({', '.join(sorted(names))})", is_seen
        return f"{text} {kind} {other.sql} ON {self.equality(beside, other)}", is_seen


def replace_name(column: Column, name: str) -> Column:
    return column._replace(name=name)
