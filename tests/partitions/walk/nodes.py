"""A grammar of nodes. Each has a column v, and most have a column of a time (d, t or z) and a key k,
so that any of them can read any other."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.partitions.walk.intervals import Form
from tests.partitions.walk.sources import Source, draw_form

Days = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """A table that a node may read."""

    id: str
    time: str  # "" without one
    has_key: bool
    wild: bool
    form: Form | None


@dataclass(frozen=True)
class Node:
    """sql: with {c} for a number, and {more} for further columns. It gives rows of a time, a key, or
    both. reads: days before and after."""

    name: str
    sql: str
    inputs: tuple[str, ...]
    time: str
    has_key: bool
    wild: bool
    form: Form | None = None
    reads: Mapping[str, Days] | None = None
    kind: str = "transform"
    is_view: bool = False
    c: int = 1
    more: int = 0
    words: str = ""

    @property
    def id(self) -> str:
        return f"{self.kind}.{self.name}"

    @property
    def shape(self) -> Shape:
        return Shape(self.id, self.time, self.has_key, self.wild, self.form)

    @property
    def text(self) -> str:
        more = "".join(f", {self.c + place} AS e{place}" for place in range(self.more))
        return self.sql.replace("{c}", str(self.c)).replace("{more}", more)

    @property
    def truth(self) -> str:
        """The SQL of the whole table. A node that asks for its partition has no rows without a time,
        and looks at none outside unless it keeps them."""
        sql, form = self.text, self.form
        if form and "$start" in sql:
            time = sql.partition("WHERE ")[2].partition(" >=")[0]
            lowest = (
                "TIMESTAMP '-infinity'" if form.outside == "keep" else f"TIMESTAMP '{form.first}'"
            )
            sql = sql.replace("$start", lowest).replace("$end", "TIMESTAMP 'infinity'")
            assert time
        if form and form.outside == "drop":
            inside = f">= TIMESTAMP '{form.first}'" if form.every else "IS NOT NULL"
            value = f"{form.by} AT TIME ZONE 'UTC'" if form.by == "z" else form.by
            sql = f"SELECT * FROM ({sql}) WHERE {value} {inside}"
        return sql

    @property
    def yml(self) -> str:
        lines = [f"kind: {self.kind}", f"name: {self.name}", f"inputs: [{', '.join(self.inputs)}]"]
        if self.words:
            lines.append(f"description: {self.words}")
        if self.kind == "feature_group":
            lines += ["entity: {name: customer, join_keys: [k]}", "features: [v]"]
        if self.is_view:
            lines.append("materialized: view")
        if self.form:
            lines.append(f"partition: {self.form}")
        if self.form and self.reads:
            reads = (
                f"{name}: {{before: {before}d, after: {after}d}}"
                for name, (before, after) in self.reads.items()
            )
            lines.append(f"reads: {{{', '.join(reads)}}}")
        return "\n".join([*lines, "transform: |", textwrap.indent(self.text, "  ")]) + "\n"


def shape_of(source: Source) -> Shape:
    return Shape(source.id, source.time, True, source.wild, source.form)


Drawn = tuple[str, Sequence[Shape], str, bool]  # SQL, inputs, time and key of the result


@dataclass
class Draw:
    chance: Random
    shapes: Sequence[Shape]

    def table(self, which: Callable[[Shape], object] = lambda shape: True) -> Shape:
        """Prefers tables that are divided, and new ones."""
        fit = [shape for shape in self.shapes if which(shape)]
        if not fit:
            raise LookupError
        weights = [(3 if shape.form else 1) * (2 + place) for place, shape in enumerate(fit)]
        return self.chance.choices(fit, weights)[0]

    def timed(self) -> Shape:
        return self.table(lambda shape: shape.time)

    def keyed(self) -> Shape:
        return self.table(lambda shape: shape.has_key)

    def both(self) -> Shape:
        return self.table(lambda shape: shape.time and shape.has_key)

    def sum(self, value: str = "v") -> str:
        made = self.chance.choice(
            ["sum({} + {{c}})", "max({} * {{c}})", "count(*) * {{c}} + min({})"]
        )
        return f"({made.format(value)})::BIGINT AS v{{more}}"


def cast(shape: Shape, wanted: str, table: str = "") -> str:
    """The time of a table as a DATE or a TIMESTAMP."""
    name = f"{table}.{shape.time}" if table else shape.time
    return {
        "dt": f"{name}::TIMESTAMP",
        "td": f"{name}::DATE",
        "zt": f"{name} AT TIME ZONE 'UTC'",
        "zd": f"({name} AT TIME ZONE 'UTC')::DATE",
        "tz": f"{name} AT TIME ZONE 'UTC'",
    }.get(shape.time + wanted, name)


def plain(draw: Draw, shape: Shape) -> str:
    """The type of a time that a result has: DATE or TIMESTAMP."""
    return "d" if shape.time == "d" else draw.chance.choice("dt")


def grouped(draw: Draw) -> Drawn:
    x = draw.timed()
    time, by_key = plain(draw, x), x.has_key and draw.chance.random() < 0.4
    value = cast(x, time)
    if draw.chance.random() < 0.4:
        unit = draw.chance.choice(["day", "week", "month", "year", "quarter"])
        value, time = f"date_trunc('{unit}', {cast(x, time)})", "t"
    where = " WHERE v <> {c}" if draw.chance.random() < 0.3 else ""
    key = ", k" if by_key else ""
    end = draw.chance.choice(["ALL", "1, 2" if by_key else "1"])
    return (
        f"SELECT {value} AS {time}{key}, {draw.sum()}\nFROM {x.id}{where} GROUP BY {end}",
        [x],
        time,
        by_key,
    )


def kept(draw: Draw) -> Drawn:
    x = draw.timed()
    key = ", k" if x.has_key else ""
    time = draw.chance.choice([x.time, plain(draw, x)])
    distinct = "DISTINCT " if draw.chance.random() < 0.2 else ""
    where = draw.chance.choice(["WHERE v <> {c}", "", "WHERE v BETWEEN {c} AND 100"])
    return (
        f"SELECT {distinct}{cast(x, time)} AS {time}{key}, v * {{c}} AS v{{more}}\nFROM {x.id} {where}",
        [x],
        time,
        x.has_key,
    )


def star(draw: Draw) -> Drawn:
    x = draw.timed()
    way = draw.chance.choice(["* REPLACE (v + {c} AS v)", "* EXCLUDE (v), v - {c} AS v", "*"])
    return f"SELECT {way} FROM {x.id}", [x], x.time, x.has_key


def ranked(draw: Draw) -> Drawn:
    x = draw.both()
    over = draw.chance.choice(["PARTITION BY {t}", "PARTITION BY {t}, k", "PARTITION BY k"]).format(
        t=x.time
    )
    how = (
        draw.chance.choice(
            [
                "rank() OVER (%s ORDER BY v DESC, k)",
                "count(*) OVER (%s)",
                "dense_rank() OVER (%s ORDER BY v)",
            ]
        )
        % over
    )
    return (
        f"SELECT {x.time}, k, v + {{c}} AS v{{more}} FROM {x.id}\nQUALIFY {how} <= {{c}}",
        [x],
        x.time,
        True,
    )


def windowed(draw: Draw) -> Drawn:
    x = draw.both()
    time = plain(draw, x)
    over = draw.chance.choice(["{t}", "{t}, k", "k, {t}", "date_trunc('month', {t})", "k"]).format(
        t=cast(x, time)
    )
    made = draw.chance.choice(["sum(v)", "count(*)", "max(v + {c})"])
    order = draw.chance.choice(["", " ORDER BY v", f" ORDER BY {cast(x, time)}"])
    return (
        f"SELECT {cast(x, time)} AS {time}, k, ({made} OVER (PARTITION BY {over}{order}))::BIGINT AS v{{more}}\nFROM {x.id}",
        [x],
        time,
        True,
    )


def joined(draw: Draw) -> Drawn:
    x, y = draw.timed(), draw.timed()
    time = draw.chance.choice("dt") if "d" not in (x.time, y.time) else "d"
    kind = draw.chance.choice(
        ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"]
    )
    on_key = x.has_key and y.has_key and draw.chance.random() < 0.4
    key = ", k" if on_key else ""
    a = f"(SELECT {cast(x, time)} AS {time}{key}, v FROM {x.id})"
    b = f"(SELECT {cast(y, time)} AS {time}{key}, {draw.sum().replace('{more}', '')} FROM {y.id} GROUP BY ALL)"
    using = draw.chance.random() < 0.6
    alike = draw.chance.choice(["=", "=", "IS NOT DISTINCT FROM"])
    terms = [f"b.{name} {alike} a.{name}" for name in [time, *(["k"] if on_key else [])]]
    on = f"USING ({time}{key})" if using else f"ON {' AND '.join(terms)}"
    of = {"RIGHT JOIN": "b.{0}", "FULL JOIN": "coalesce(a.{0}, b.{0})"}.get(kind, "a.{0}")
    if using and draw.chance.random() < 0.5:
        of = "{0}"
    names = ", ".join(f"{of.format(name)} AS {name}" for name in [time, *(["k"] if on_key else [])])
    value = "a.v + {c}" if kind[:4] in ("SEMI", "ANTI") else "coalesce(a.v, 0) + coalesce(b.v, {c})"
    return (
        f"SELECT {names}, {value} AS v{{more}}\nFROM {a} AS a\n{kind} {b} AS b {on}",
        [x, y],
        time,
        on_key,
    )


def joined_whole(draw: Draw) -> Drawn:
    """Joins that need all rows of one side."""
    x, y = draw.both(), draw.keyed()
    way = draw.chance.choice(
        [
            "v + coalesce(b.m, {c}) AS v{more}\nFROM XX AS a LEFT JOIN (SELECT k, max(v) AS m FROM YY GROUP BY k) AS b USING (k)",
            "v + b.m AS v{more}\nFROM XX AS a JOIN (SELECT k, (sum(v) + {c})::BIGINT AS m FROM YY GROUP BY k) AS b ON b.k = a.k",
            "v + {c} AS v{more}\nFROM XX AS a WHERE a.k IN (SELECT b.k FROM YY AS b WHERE b.v > {c})",
            "v + (SELECT coalesce(max(b.v), {c}) FROM YY AS b) AS v{more}\nFROM XX AS a",
            "v + {c} AS v{more}\nFROM XX AS a WHERE NOT EXISTS (FROM YY AS b WHERE b.k = a.k AND b.v > 3)",
            "v + m AS v{more}\nFROM XX AS a CROSS JOIN (SELECT coalesce(min(v), {c}) AS m FROM YY) AS b",
            "v + {c} AS v{more}\nFROM XX AS a ANTI JOIN YY AS b ON b.k = a.k",
            "v + {c} AS v{more}\nFROM XX AS a SEMI JOIN (SELECT DISTINCT k FROM YY) AS b USING (k)",
        ]
    )
    way = way.replace("XX", x.id).replace("YY", y.id)
    return f"SELECT a.{x.time}, a.k, {way.replace('v + ', 'a.v + ', 1)}", [x, y], x.time, True


def united(draw: Draw) -> Drawn:
    x, y = draw.timed(), draw.timed()
    time = draw.chance.choice("dt") if "d" not in (x.time, y.time) else "d"
    word = draw.chance.choice(
        [
            "UNION ALL",
            "UNION ALL",
            "UNION",
            "EXCEPT",
            "INTERSECT",
            "EXCEPT ALL",
            "UNION ALL BY NAME",
        ]
    )
    key = ", k" if x.has_key and y.has_key else ""
    arms = [
        f"SELECT {cast(each, time)} AS {time}{key}, {value} AS v{{more}} FROM {each.id}"
        for each, value in ((x, "v"), (y, draw.chance.choice(["v", "v + {c}"])))
    ]
    return f"{arms[0]}\n{word}\n{arms[1]}", [x, y], time, bool(key)


def with_ctes(draw: Draw) -> Drawn:
    x = draw.both()
    time = plain(draw, x)
    low = f"WITH a AS (SELECT {cast(x, time)} AS {time}, k, v FROM {x.id}),\nb AS (SELECT {time}, max(v) AS m FROM a GROUP BY ALL)\n"
    return (
        f"{low}SELECT a.{time}, a.k, sum(v + m + {{c}})::BIGINT AS v{{more}}\nFROM a JOIN b ON a.{time} = b.{time} GROUP BY ALL",
        [x],
        time,
        True,
    )


def by_key(draw: Draw) -> Drawn:
    x = draw.keyed()
    return f"SELECT k, {draw.sum()} FROM {x.id} GROUP BY k", [x], "", True


def latest(draw: Draw) -> Drawn:
    x = draw.both()
    return (
        f"SELECT {x.time}, k, v + {{c}} AS v{{more}} FROM {x.id}\nQUALIFY rank() OVER (PARTITION BY k ORDER BY {x.time} DESC NULLS LAST, v DESC) = 1",
        [x],
        x.time,
        True,
    )


def joined_by_key(draw: Draw) -> Drawn:
    x, y = draw.keyed(), draw.keyed()
    kind = draw.chance.choice(["JOIN", "LEFT JOIN", "FULL JOIN", "ANTI JOIN"])
    value = "a.v + {c}" if kind == "ANTI JOIN" else "coalesce(a.v, 0) + coalesce(b.m, {c})"
    key = "k" if kind == "FULL JOIN" else "a.k"
    return (
        f"SELECT {key}, {value} AS v{{more}}\nFROM {x.id} AS a {kind} (SELECT k, sum(v)::BIGINT AS m FROM {y.id} GROUP BY k) AS b USING (k)",
        [x, y],
        "",
        True,
    )


def fanned(draw: Draw) -> Drawn:
    """Several rows of each, or a value that a sub-query over another table tells."""
    x, y = draw.both(), draw.both()
    way = draw.chance.choice(
        [
            "unnest([v, v + {c}]) AS v{more}\nFROM XX AS a",
            "a.v * f AS v{more}\nFROM XX AS a, (VALUES (1), ({c})) AS b (f)",
            "coalesce(m, {c}) AS v{more}\nFROM XX AS a, LATERAL (SELECT max(b.v) AS m FROM YY AS b WHERE b.k = a.k) AS c",
            "coalesce(b.v, {c}) AS v{more}\nFROM XX AS a ASOF LEFT JOIN (SELECT k, TY, max(v) AS v FROM YY GROUP BY ALL) AS b\nON b.k = a.k AND a.TX >= b.TY",
            "max(a.v)::BIGINT AS v{more}\nFROM XX AS a GROUP BY a.TX, a.k HAVING count(*) >= {c}",
            "a.v + b.v AS v{more}\nFROM XX AS a, (SELECT TX, count(*) AS v FROM XX GROUP BY TX) AS b WHERE a.TX = b.TX AND a.v <> {c}",
        ]
    )
    if "TY" in way and "z" in (x.time, y.time) and x.time != y.time:
        raise LookupError
    reads = [x, y] if "YY" in way else [x]
    for name, text in (("XX", x.id), ("YY", y.id), ("TX", x.time), ("TY", y.time)):
        way = way.replace(name, text)
    return f"SELECT a.{x.time}, a.k, {way}", reads, x.time, True


def running(draw: Draw) -> Drawn:
    """No proof divides it."""
    x = draw.both()
    return (
        f"SELECT {x.time}, k, (sum(v + {{c}}) OVER (ORDER BY {x.time}, k))::BIGINT AS v{{more}} FROM {x.id}",
        [x],
        x.time,
        True,
    )


def asked(draw: Draw) -> Drawn:
    """It asks for its partition."""
    x = draw.timed()
    time = plain(draw, x)
    value = cast(x, draw.chance.choice(["d", "t"] if x.time != "d" else ["d"]))
    return (
        f"SELECT {cast(x, time)} AS {time}, {draw.sum()}\nFROM {x.id} WHERE {value} >= $start AND {value} < $end GROUP BY ALL",
        [x],
        time,
        False,
    )


TEMPLATES = (
    grouped,
    grouped,
    grouped,
    kept,
    kept,
    star,
    ranked,
    windowed,
    joined,
    joined,
    joined,
    joined_whole,
    joined_whole,
    united,
    united,
    with_ctes,
    by_key,
    latest,
    joined_by_key,
    fanned,
    fanned,
    running,
    asked,
)


def draw_node(name: str, shapes: Sequence[Shape], chance: Random) -> Node:
    draw = Draw(chance, shapes)
    while True:
        try:
            return _drawn(name, draw)
        except LookupError:
            continue


def _drawn(name: str, draw: Draw) -> Node:
    chance = draw.chance
    if chance.random() < 0.18:
        return _rolling(name, draw)
    template = chance.choice(TEMPLATES)
    sql, reads, time, has_key = template(draw)
    wild = any(shape.wild for shape in reads)
    inputs = tuple(dict.fromkeys(shape.id for shape in reads))
    made = Node(name, sql, inputs, time, has_key, wild)
    if template is asked or chance.random() < 0.85:
        made = replace(made, form=_form(draw, made, reads))
    if template is asked and (made.form is None or not made.form.every):
        raise LookupError
    if template is by_key and chance.random() < 0.5:
        sql = sql.replace(" GROUP BY k", " WHERE k IS NOT NULL GROUP BY k")
        return replace(made, kind="feature_group", sql=sql)
    if template in (kept, star) and chance.random() < 0.25:
        return replace(made, is_view=True, form=None)
    return made


def _form(draw: Draw, made: Node, reads: Sequence[Shape]) -> Form | None:
    """Mostly partitions that an input can be read by."""
    chance, forms = draw.chance, [shape.form for shape in reads if shape.form]
    form = draw_form(made.time, made.has_key, made.wild, chance)
    buckets, every = (
        [each for each in forms if bool(each.every) is is_time] for is_time in (False, True)
    )
    if chance.random() < 0.9:
        if made.has_key and buckets and not (made.time and every and chance.random() < 0.5):
            outside = "keep" if made.wild and chance.random() < 0.95 else "error"
            form = Form("k", buckets=chance.choice(buckets).buckets, outside=outside)
        elif made.time and every:
            form = draw_form(made.time, False, made.wild, chance)
            if chance.random() < 0.4:
                first = chance.choice(every).every
                form = replace(form, every="day" if first == "hour" and made.time == "d" else first)
        else:
            return None
    return replace(form, outside="drop") if chance.random() < 0.06 else form


def _rolling(name: str, draw: Draw) -> Node:
    """It reads around its partition."""
    chance = draw.chance
    x = draw.table(lambda shape: shape.time in ("d", "t") and shape.form)
    before, after = chance.choice([(1, 0), (2, 0), (6, 0), (0, 1), (1, 1), (0, 3), (31, 0)])
    t, reads = x.time, {x.id: (before, after)}
    inputs: tuple[str, ...] = (x.id,)
    around = f"BETWEEN a.{t} - INTERVAL {before} DAY AND a.{t} + INTERVAL {after} DAY"
    wild = x.wild
    way = chance.choice(["join", "window", "other", "shift"])
    if way == "join":
        sql = f"SELECT a.{t}, sum(b.v + {{c}})::BIGINT AS v{{more}}\nFROM {x.id} AS a JOIN {x.id} AS b ON b.{t} {around}\nGROUP BY ALL"
    elif way == "shift":
        step = f"{before or -after} * INTERVAL 1 DAY"
        moved = f"({t} + {step})::DATE" if t == "d" else f"{t} + {step}"
        sql = f"SELECT {moved} AS {t}, v + {{c}} AS v{{more}} FROM {x.id}"
    elif way == "window":
        frame = f"RANGE BETWEEN INTERVAL {before} DAY PRECEDING AND INTERVAL {after} DAY FOLLOWING"
        sql = f"SELECT DISTINCT {t}, (sum(v + {{c}}) OVER (ORDER BY {t} {frame}))::BIGINT AS v{{more}}\nFROM {x.id}"
    else:
        y = draw.table(lambda shape: shape.time in ("d", "t") and shape.form and shape.id != x.id)
        inputs, reads, wild = (x.id, y.id), {y.id: (before, after)}, x.wild or y.wild
        kind = chance.choice(["JOIN", "LEFT JOIN"])
        if y.form and y.form.buckets:
            raise LookupError
        sql = f"SELECT a.{t}, sum(a.v + coalesce(b.v, {{c}}))::BIGINT AS v{{more}}\nFROM {x.id} AS a {kind} {y.id} AS b ON b.{y.time} {around}\nGROUP BY ALL"
    if x.form and x.form.buckets:
        raise LookupError
    form = draw_form(t, False, wild, chance, chance.choice(["day", "day", "day", "week", "month"]))
    return Node(name, sql, inputs, t, False, wild, form, reads)


def edited(node: Node, chance: Random) -> Node:
    """The node with other code, of the same columns or more of them."""
    way = chance.choice(["c", "c", "more", "form", "words"])
    if way == "c":
        return replace(node, c=1 + (node.c + chance.randrange(3)) % 4)
    if way == "more":
        return replace(node, more=(node.more + 1) % 3)
    if way == "words" or node.is_view or not (node.time or node.has_key):
        return replace(node, words=f"Words {chance.randrange(9)}")
    every = (
        "" if not (node.reads or "$start" in node.sql) else chance.choice(["day", "week", "month"])
    )
    form = draw_form(node.time, node.has_key, node.wild, chance, every)
    if not every and chance.random() < 0.1:
        return replace(node, form=None)
    return replace(node, form=form)
