"""Families of edits that change nothing, and next to each of them a look-alike that does.

A family is (name, old, new, near): old and new are equal for every input, near is not equal to old. They read the tables
of TABLES. KNOWN holds those that a plan calls METADATA, UNKNOWN those that it calls BREAKING all the same.
"""

from __future__ import annotations

TABLES = {
    "t": (("id", "INTEGER"), ("n", "INTEGER"), ("m", "BIGINT"), ("f", "DECIMAL(9,2)"), ("x", "DOUBLE"), ("g", "VARCHAR"),
          ("s", "VARCHAR"), ("d", "DATE"), ("h", "TIMESTAMP"), ("b", "BOOLEAN"), ("c", "BOOLEAN"), ("l", "INTEGER[]"),
          ("k", "STRUCT(a INTEGER, b VARCHAR)"), ("y", "TINYINT")),
    "u": (("id", "INTEGER"), ("w", "VARCHAR"), ("n", "INTEGER"), ("d", "DATE")),
    "p": (("id", "INTEGER"), ("kind", "VARCHAR"), ("price", "INTEGER"), ("d", "DATE")),
}  # fmt: skip

Family = tuple[str, str, str, str]


def where(name: str, old: str, new: str, near: str) -> Family:
    """A condition."""
    old, new, near = (f"SELECT id, n FROM source.t WHERE {each}" for each in (old, new, near))
    return name, old, new, near


def value(name: str, old: str, new: str, near: str) -> Family:
    """A value of each row."""
    old, new, near = (f"SELECT id, {each} AS v FROM source.t" for each in (old, new, near))
    return name, old, new, near


def group(name: str, old: str, new: str, near: str) -> Family:
    """A value of each group."""
    old, new, near = (f"SELECT g, {each} AS v FROM source.t GROUP BY g" for each in (old, new, near))
    return name, old, new, near


# fmt: off
CONDITIONS = [
    where("IN in another order", "n IN (1, 2, 3)", "n IN (3, 1, 2)", "n IN (1, 2, 4)"),
    where("IN of strings in another order", "g IN ('x', 'y')", "g IN ('y', 'x')", "g IN ('X', 'y')"),
    where("IN that says a value twice", "n IN (1, 2)", "n IN (1, 2, 1)", "n IN (1, 2, 3)"),
    where("a long IN in another order", f"n IN ({', '.join(map(str, range(40)))})", f"n IN ({', '.join(map(str, reversed(range(40))))})", f"n IN ({', '.join(map(str, range(1, 41)))})"),
    where("IN of one", "n IN (1)", "n = 1", "n IN (1, NULL) AND n IN (2)"),
    where("IN as OR", "n IN (1, 2)", "n = 1 OR n = 2", "n = 1 OR id = 2"),
    where("IN among OR", "n IN (1, 2) OR b", "b OR n = 2 OR n = 1", "(n = 1 OR n = 2) AND b"),
    where("NOT IN as <>", "n NOT IN (1, 2)", "n <> 1 AND n <> 2", "n <> 1 OR n <> 2"),
    where("NOT IN of one", "n NOT IN (1)", "n <> 1", "n IS DISTINCT FROM 1"),
    where("NOT IN with a NULL", "n NOT IN (1, NULL)", "n <> 1 AND n <> NULL", "n NOT IN (1)"),
    where("IN of dates", "d IN ('2024-01-01', '2024-01-02')", "d = '2024-01-02' OR d = '2024-01-01'", "d IN ('2024-01-01', '2024-01-03')"),
    value("IN as a value", "n IN (1, 2)", "n = 2 OR n = 1", "n IN (1, 2, NULL)"),
    where("BETWEEN", "n BETWEEN 1 AND 3", "n >= 1 AND n <= 3", "n BETWEEN 3 AND 1"),
    where("BETWEEN, turned", "n BETWEEN 1 AND 3", "3 >= n AND 1 <= n", "n > 1 AND n <= 3"),
    where("NOT BETWEEN", "n NOT BETWEEN 1 AND 3", "n < 1 OR n > 3", "n <= 1 OR n > 3"),
    where("BETWEEN of dates", "d BETWEEN '2024-01-01' AND '2024-01-31'", "d >= '2024-01-01' AND d <= '2024-01-31'", "d >= '2024-01-01' AND d < '2024-01-31'"),
    where("BETWEEN of strings", "g BETWEEN 'x' AND 'y'", "g >= 'x' AND g <= 'y'", "g >= 'x' AND g < 'y'"),
    where("BETWEEN of columns", "n BETWEEN id AND id", "n >= id AND n <= id", "n BETWEEN id AND m"),
    value("BETWEEN as a value", "n BETWEEN 1 AND 3", "n >= 1 AND n <= 3", "n BETWEEN 1 AND NULL"),
    where("BETWEEN among AND", "n BETWEEN 1 AND 3 AND b", "n >= 1 AND b AND n <= 3", "n BETWEEN 1 AND 3 OR b"),
    where("NOT of =", "NOT (n = id)", "n <> id", "n IS DISTINCT FROM id"),
    where("NOT of <", "NOT (n < 2)", "n >= 2", "n > 2"),
    where("NOT of <=", "NOT n <= 2", "n > 2", "n >= 2"),
    where("NOT of IS NULL", "NOT (n IS NULL)", "n IS NOT NULL", "NOT (n IS NOT NULL)"),
    where("NOT of IS DISTINCT FROM", "NOT (n IS DISTINCT FROM id)", "n IS NOT DISTINCT FROM id", "n = id"),
    where("NOT of NOT", "NOT (NOT b)", "b", "NOT b"),
    value("NOT of NOT, as a value", "NOT (NOT b)", "b", "b IS TRUE"),
    where("NOT of AND", "NOT (n = 1 AND b)", "n <> 1 OR NOT b", "n <> 1 AND NOT b"),
    where("NOT of OR", "NOT (n = 1 OR b)", "n <> 1 AND NOT b", "n <> 1 OR NOT b"),
    where("NOT of a mixture", "NOT (n = 1 OR (b AND c))", "n <> 1 AND (NOT b OR NOT c)", "n <> 1 AND NOT b OR NOT c"),
    where("= true", "b = true", "b", "b IS NOT NULL"),
    where("= false", "b = false", "NOT b", "b IS NOT TRUE"),
    where("<> true", "b <> true", "NOT b", "b IS DISTINCT FROM true"),
    value("= true, as a value", "(n > 1) = true", "n > 1", "(n > 1) IS TRUE"),
    where("AND TRUE", "n > 1 AND TRUE", "n > 1", "n > 1 AND FALSE"),
    where("OR FALSE", "n > 1 OR FALSE", "n > 1", "n > 1 OR TRUE"),
    ("WHERE TRUE", "SELECT id FROM source.t", "SELECT id FROM source.t WHERE TRUE", "SELECT id FROM source.t WHERE FALSE"),
    ("WHERE 1 = 1", "SELECT id FROM source.t WHERE b", "SELECT id FROM source.t WHERE 1 = 1 AND b", "SELECT id FROM source.t WHERE 1 = 2 OR c"),
    ("HAVING TRUE", "SELECT g, count(*) AS v FROM source.t GROUP BY g", "SELECT g, count(*) AS v FROM source.t GROUP BY g HAVING TRUE", "SELECT g, count(*) AS v FROM source.t GROUP BY g HAVING count(*) > 1"),
    where("IS DISTINCT FROM NULL", "n IS DISTINCT FROM NULL", "n IS NOT NULL", "n <> NULL"),
    where("IS NOT DISTINCT FROM NULL", "g IS NOT DISTINCT FROM NULL", "g IS NULL", "g = NULL"),
    where("a term said twice", "n > 1 AND n > 1", "n > 1", "n > 1 AND n > 2"),
    where("a number with separators", "m > 1_000", "m > 1000", "m > 10_00_0"),
    where("a computed number", "n > 2 - 1", "n > 1", "n > 2 - 2"),
]

VALUES = [
    value("sides of +", "n + id", "id + n", "n - id"),
    value("sides of + with a constant", "n + 1", "1 + n", "n + 2"),
    value("sides of *", "m * n", "n * m", "m * id"),
    value("sides of * of DECIMALs", "f * n", "n * f", "f * id"),
    value("sides of + of DOUBLEs", "x + n", "n + x", "x - n"),
    value("sides of + within", "(n + id) * 2", "2 * (id + n)", "n + id * 2"),
    group("sides of + of aggregates", "sum(n) + count(*)", "count(*) + sum(n)", "sum(n) - count(*)"),
    value("the greatest, turned", "greatest(n, id)", "greatest(id, n)", "least(n, id)"),
    value("a product of constants", "n * (60 * 60)", "n * 3600", "n * (60 * 61)"),
    value("a sum of constants", "1 + 1", "2", "1 + 1.0"),
    value("a product of three constants", "60 * 60 * 24", "86400", "60 * 60 * 24::BIGINT"),
    value("a cast to its own type", "n::INTEGER", "n", "n::BIGINT"),
    value("a cast that does nothing", "abs(n::INTEGER)", "abs(n)", "abs(n::BIGINT)"),
    value("a cast of text to VARCHAR", "upper(g::VARCHAR)", "upper(g)", "upper(n::VARCHAR)"),
    value("a cast to DECIMAL that does nothing", "f::DECIMAL(9,2) * 2", "f * 2", "f::DECIMAL(9,1) * 2"),
    value("TRY_CAST to a wider type", "TRY_CAST(n AS BIGINT)", "n::BIGINT", "TRY_CAST(n AS SMALLINT)"),
    value("TRY_CAST to VARCHAR", "TRY_CAST(d AS VARCHAR)", "d::VARCHAR", "TRY_CAST(h AS VARCHAR)"),
    value("VARCHAR with a length", "n::VARCHAR(10)", "n::VARCHAR", "m::VARCHAR(10)"),
    value("CASE as coalesce", "CASE WHEN n IS NULL THEN 0 ELSE n END", "coalesce(n, 0)", "CASE WHEN n IS NULL THEN n ELSE 0 END"),
    value("CASE as coalesce, turned", "CASE WHEN g IS NOT NULL THEN g ELSE s END", "coalesce(g, s)", "CASE WHEN g IS NOT NULL THEN s ELSE g END"),
    value("ifnull", "ifnull(g, 'none')", "coalesce(g, 'none')", "nullif(g, 'none')"),
    value("coalesce of coalesce", "coalesce(coalesce(g, s), 'none')", "coalesce(g, s, 'none')", "coalesce(s, g, 'none')"),
    value("if()", "if(b, n, id)", "CASE WHEN b THEN n ELSE id END", "CASE WHEN NOT b THEN id ELSE n END"),
    value("nullif", "nullif(n, 0)", "CASE WHEN n = 0 THEN NULL ELSE n END", "CASE WHEN n = 0 THEN 0 ELSE n END"),
    value("nullif with a column", "nullif(n, id)", "CASE WHEN id = n THEN NULL ELSE n END", "CASE WHEN n <> id THEN n END"),
    value("CASE of a value", "CASE n WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "CASE WHEN n = 1 THEN 'a' WHEN n = 2 THEN 'b' END", "CASE WHEN n = 1 THEN 'b' WHEN n = 2 THEN 'a' END"),
    value("ELSE NULL", "CASE WHEN b THEN n END", "CASE WHEN b THEN n ELSE NULL END", "CASE WHEN b THEN n ELSE 0 END"),
    value("a condition in CASE", "CASE WHEN NOT (n < 2) THEN 'a' END", "CASE WHEN n >= 2 THEN 'a' END", "CASE WHEN NOT (n <= 2) THEN 'a' END"),
    value("parentheses of ||", "(g || '-') || s", "g || ('-' || s)", "s || '-' || g"),
    value("concat of what is never NULL", "concat(coalesce(g, ''), '-', coalesce(s, ''))", "coalesce(g, '') || '-' || coalesce(s, '')", "g || '-' || s"),
    value("BETWEEN of an expression", "length(g) BETWEEN 1 AND 3", "len(g) >= 1 AND len(g) <= 3", "length(g) BETWEEN 0 AND 3"),
]

SYNONYMS = [
    value("len", "len(g)", "length(g)", "bit_length(g)"),
    value("len of a list", "len(l)", "length(l)", "l[1]"),
    value("substr", "substr(s, 2, 1)", "substring(s, 2, 1)", "substr(s, 1, 1)"),
    value("SUBSTRING FROM", "substring(s FROM 2)", "substr(s, 2)", "substr(s, 3)"),
    value("lcase", "lcase(s)", "lower(s)", "upper(s)"),
    value("ucase", "ucase(s)", "upper(s)", "lower(s)"),
    value("ceiling", "ceiling(x)", "ceil(x)", "floor(x)"),
    value("pow", "pow(n, 2)", "n ** 2", "pow(2, n % 3)"),
    value("mod", "mod(n, 3)", "n % 3", "n % 2"),
    value("position", "position('a' IN s)", "strpos(s, 'a')", "strpos(s, 'b')"),
    value("starts_with", "starts_with(s, 'a')", "s ^@ 'a'", "ends_with(s, 'a')"),
    value("list_contains", "list_contains(l, 1)", "array_contains(l, 1)", "list_contains(l, 3)"),
    value("string_split", "string_split(s, 'b')", "str_split(s, 'b')", "string_split(s, 'a')"),
    value("list_transform", "list_transform(l, lambda e: e + 1)", "array_apply(l, lambda e: e + 1)", "list_transform(l, lambda e: e + 2)"),
    value("year()", "year(d)", "extract(year FROM d)", "extract(month FROM d)"),
    value("month()", "month(h)", "date_part('month', h)", "date_part('year', h)"),
    value("the case of a part", "date_trunc('MONTH', d)", "date_trunc('month', d)", "date_trunc('year', d)"),
    value("DATE '…'", "DATE '2024-01-01'", "'2024-01-01'::DATE", "'2024-01-02'::DATE"),
    where("DATE '…' in a condition", "d >= DATE '2024-01-01'", "d >= CAST('2024-01-01' AS DATE)", "d >= DATE '2024-01-02'"),
    value("an interval", "d + INTERVAL 1 DAY", "d + INTERVAL '1 day'", "d + INTERVAL '1 month'"),
    value("an interval of several", "h - INTERVAL 2 HOURS", "h - INTERVAL '2 hour'", "h - INTERVAL '2 minutes'"),
    value("a number with separators, as a value", "1_000", "1000", "1_0000"),
    value("a field in brackets", "k.a", "k['a']", "k['b']"),
    value("a field in brackets, in upper case", "k.b", "k['B']", "k.a"),
    value("names of types", "n::FLOAT8", "n::DOUBLE", "n::FLOAT4"),
    group("stddev", "stddev(n)", "stddev_samp(n)", "stddev_pop(n)"),
    group("variance", "variance(n)", "var_samp(n)", "var_pop(n)"),
    group("mean", "mean(n)", "avg(n)", "median(n)"),
    group("array_agg", "array_agg(n)", "list(n)", "list(id)"),
    group("group_concat", "group_concat(s, ',' ORDER BY s)", "string_agg(s, ',' ORDER BY s)", "string_agg(s, ';' ORDER BY s)"),
    group("max_by", "max_by(s, n)", "arg_max(s, n)", "arg_min(s, n)"),
    group("arbitrary", "arbitrary(s)", "first(s)", "last(s)"),
    ("synonym as a window", "SELECT id, mean(n) OVER (PARTITION BY g) AS v FROM source.t", "SELECT id, avg(n) OVER (PARTITION BY g) AS v FROM source.t", "SELECT id, sum(n) OVER (PARTITION BY g) AS v FROM source.t"),
]

GROUPS = [
    group("count(*) as count(1)", "count(*)", "count(1)", "count(n)"),
    group("count()", "count(*)", "count()", "count(DISTINCT 1)"),
    group("count of a string", "count(*)", "count('x')", "count(NULL)"),
    group("FILTER as CASE in count", "count(*) FILTER (WHERE b)", "count(CASE WHEN b THEN 1 END)", "count(CASE WHEN b THEN n END)"),
    group("FILTER as CASE in sum", "sum(n) FILTER (WHERE n > 1)", "sum(CASE WHEN n > 1 THEN n END)", "sum(CASE WHEN n > 1 THEN n ELSE 0 END)"),
    group("FILTER as CASE in count(DISTINCT)", "count(DISTINCT n) FILTER (WHERE b)", "count(DISTINCT CASE WHEN b THEN n END)", "count(CASE WHEN b THEN n END)"),
    group("a sum of ones", "sum(1) FILTER (WHERE b)", "sum(CASE WHEN b THEN 1 END)", "count(*) FILTER (WHERE b)"),
    group("max of DISTINCT", "max(DISTINCT n)", "max(n)", "sum(DISTINCT n)"),
    group("a condition in FILTER", "sum(n) FILTER (WHERE n IN (1, 2))", "sum(n) FILTER (WHERE n = 2 OR n = 1)", "sum(n) FILTER (WHERE n IN (1, 3))"),
    group("WHERE of FILTER left out", "sum(n) FILTER (WHERE b)", "sum(n) FILTER (b)", "sum(n) FILTER (WHERE NOT b)"),
]

SHAPES = [
    ("a last CTE", "SELECT id, n * 2 AS v FROM source.t WHERE b",
     "WITH final AS (SELECT id, n * 2 AS v FROM source.t WHERE b) SELECT * FROM final",
     "WITH final AS (SELECT id, n * 2 AS v FROM source.t WHERE b) SELECT * FROM final WHERE v > 2"),
    ("a last CTE over a group", "SELECT g, sum(n) AS v FROM source.t GROUP BY g",
     "WITH final AS (SELECT g, sum(n) AS v FROM source.t GROUP BY g) SELECT * FROM final",
     "WITH final AS (SELECT g, id, sum(n) AS v FROM source.t GROUP BY g, id) SELECT g, v FROM final"),
    ("a last CTE over a join", "SELECT t.id, u.w FROM source.t JOIN source.u ON t.id = u.id",
     "WITH final AS (SELECT t.id, u.w FROM source.t JOIN source.u ON t.id = u.id) SELECT id, w FROM final",
     "WITH final AS (SELECT t.id, u.w FROM source.t LEFT JOIN source.u ON t.id = u.id) SELECT id, w FROM final"),
    ("a last CTE over DISTINCT", "SELECT DISTINCT g, n FROM source.t",
     "WITH final AS (SELECT DISTINCT g, n FROM source.t) SELECT g, n FROM final",
     "WITH final AS (SELECT DISTINCT g, n, id FROM source.t) SELECT g, n FROM final"),
    ("a last CTE over a window", "SELECT id, rank() OVER (ORDER BY n) AS v FROM source.t",
     "WITH final AS (SELECT id, rank() OVER (ORDER BY n) AS v FROM source.t) SELECT id, v FROM final",
     "WITH final AS (SELECT id, n FROM source.t WHERE b) SELECT id, rank() OVER (ORDER BY n) AS v FROM final"),
    ("a UNION ALL in a CTE", "SELECT id, n FROM source.t UNION ALL SELECT id, n FROM source.u",
     "WITH both_of AS (SELECT id, n FROM source.t UNION ALL SELECT id, n FROM source.u) SELECT * FROM both_of",
     "WITH both_of AS (SELECT id, n FROM source.t UNION SELECT id, n FROM source.u) SELECT * FROM both_of"),
    ("a filter in a CTE", "SELECT id, n FROM source.t WHERE n > 1",
     "WITH big AS (SELECT * FROM source.t WHERE n > 1) SELECT id, n FROM big",
     "WITH big AS (SELECT * FROM source.t WHERE n >= 1) SELECT id, n FROM big"),
    ("a filter moved out of a CTE", "WITH x AS (SELECT id, n, b FROM source.t WHERE b) SELECT id, n FROM x WHERE n > 1",
     "WITH x AS (SELECT id, n, b FROM source.t) SELECT id, n FROM x WHERE n > 1 AND b",
     "WITH x AS (SELECT id, n, b FROM source.t) SELECT id, n FROM x WHERE n > 1 OR b"),
    ("a filter in a CTE beneath a group", "SELECT g, sum(n) AS v FROM source.t WHERE b GROUP BY g",
     "WITH x AS (SELECT g, n FROM source.t WHERE b) SELECT g, sum(n) AS v FROM x GROUP BY g",
     "WITH x AS (SELECT g, n, b FROM source.t) SELECT g, sum(n) AS v FROM x GROUP BY g HAVING bool_or(b)"),
    ("a computed column in a CTE", "SELECT id, n + 1 AS v FROM source.t",
     "WITH x AS (SELECT id, n + 1 AS m FROM source.t) SELECT id, m AS v FROM x",
     "WITH x AS (SELECT id, n + 2 AS m FROM source.t) SELECT id, m AS v FROM x"),
    ("a computed column in a CTE, computed with", "SELECT id, (n + 1) * 2 AS v FROM source.t",
     "WITH x AS (SELECT id, n + 1 AS m FROM source.t) SELECT id, m * 2 AS v FROM x",
     "WITH x AS (SELECT id, n + 1 AS m FROM source.t) SELECT id, m * 3 AS v FROM x"),
    ("a long column in a CTE, computed with",
     "SELECT id, upper(CASE WHEN g = 'x' THEN 'one' WHEN g = 'y' THEN 'two' WHEN g = 'X' THEN s ELSE 'none' END) AS v FROM source.t",
     "WITH x AS (SELECT id, CASE WHEN g = 'x' THEN 'one' WHEN g = 'y' THEN 'two' WHEN g = 'X' THEN s ELSE 'none' END AS m FROM source.t) SELECT id, upper(m) AS v FROM x",
     "WITH x AS (SELECT id, CASE WHEN g = 'x' THEN 'one' WHEN g = 'y' THEN 'two' WHEN g = 'X' THEN s ELSE 'more' END AS m FROM source.t) SELECT id, upper(m) AS v FROM x"),
    ("a computed column in a CTE, filtered by", "SELECT id FROM source.t WHERE lower(g) = 'x'",
     "WITH x AS (SELECT id, lower(g) AS m FROM source.t) SELECT id FROM x WHERE m = 'x'",
     "WITH x AS (SELECT id, upper(g) AS m FROM source.t) SELECT id FROM x WHERE m = 'X' AND id > 1"),
    ("a chain of CTEs", "SELECT id, n FROM source.t WHERE b AND n > 1 AND id < 4",
     "WITH x AS (SELECT * FROM source.t WHERE b), y AS (SELECT * FROM x WHERE n > 1), z AS (SELECT * FROM y WHERE id < 4) SELECT id, n FROM z",
     "WITH x AS (SELECT * FROM source.t WHERE b), y AS (SELECT * FROM source.t WHERE n > 1), z AS (SELECT * FROM y WHERE id < 4) SELECT id, n FROM z"),
    ("a sub-query in place of a CTE", "WITH x AS (SELECT id, n FROM source.t WHERE b) SELECT id FROM x WHERE n > 1",
     "SELECT id FROM (SELECT id, n FROM source.t WHERE b) AS y WHERE n > 1",
     "SELECT id FROM (SELECT id, id AS n FROM source.t WHERE b) AS y WHERE n > 1"),
    ("a join in a CTE, filtered", "SELECT t.id, u.w FROM source.t JOIN source.u ON t.id = u.id WHERE u.n > 1",
     "WITH x AS (SELECT t.id, u.w, u.n FROM source.t JOIN source.u ON t.id = u.id) SELECT id, w FROM x WHERE n > 1",
     "WITH x AS (SELECT t.id, u.w, t.n FROM source.t JOIN source.u ON t.id = u.id) SELECT id, w FROM x WHERE n > 1"),
    ("HAVING as a filter", "SELECT g, count(*) AS v FROM source.t GROUP BY g HAVING count(*) > 1",
     "SELECT * FROM (SELECT g, count(*) AS v FROM source.t GROUP BY g) AS x WHERE v > 1",
     "SELECT * FROM (SELECT g, count(n) AS v FROM source.t GROUP BY g) AS x WHERE v > 1"),
    ("QUALIFY as a filter", "SELECT id, n FROM source.t QUALIFY rank() OVER (PARTITION BY g ORDER BY n) = 1",
     "SELECT id, n FROM (SELECT id, n, rank() OVER (PARTITION BY g ORDER BY n) AS r FROM source.t) AS x WHERE r = 1",
     "SELECT id, n FROM (SELECT id, n, rank() OVER (ORDER BY n) AS r FROM source.t) AS x WHERE r = 1"),
    ("QUALIFY as a filter over a filter", "SELECT id, n FROM source.t WHERE b QUALIFY rank() OVER (ORDER BY n) = 1",
     "WITH x AS (SELECT id, n, rank() OVER (ORDER BY n) AS r FROM source.t WHERE b) SELECT id, n FROM x WHERE r = 1",
     "WITH x AS (SELECT id, n, b, rank() OVER (ORDER BY n) AS r FROM source.t) SELECT id, n FROM x WHERE r <= 2 AND b"),
    ("a sum over a window's filter", "SELECT g, sum(v) AS v FROM (SELECT g, sum(n) OVER (PARTITION BY id) AS v FROM source.t) AS x GROUP BY g",
     "WITH x AS (SELECT g, sum(n) OVER (PARTITION BY id) AS v FROM source.t) SELECT g, sum(v) AS v FROM x GROUP BY g",
     "WITH x AS (SELECT g, n FROM source.t) SELECT g, sum(n) AS v FROM x GROUP BY g"),
    ("HAVING of a key", "SELECT g, count(*) AS v FROM source.t WHERE g <> 'x' GROUP BY g",
     "SELECT g, count(*) AS v FROM source.t GROUP BY g HAVING g <> 'x'",
     "SELECT g, count(*) AS v FROM source.t GROUP BY g HAVING max(g) < 'x'"),
    ("HAVING of a key, among others", "SELECT g, count(*) AS v FROM source.t WHERE b AND g IN ('x', 'y') GROUP BY g HAVING count(*) > 1",
     "SELECT g, count(*) AS v FROM source.t WHERE b GROUP BY g HAVING count(*) > 1 AND (g = 'y' OR g = 'x')",
     "SELECT g, count(*) AS v FROM source.t WHERE b GROUP BY g HAVING count(*) > 1 OR g IN ('x', 'y')"),
    ("DISTINCT as GROUP BY", "SELECT DISTINCT g, n FROM source.t", "SELECT g, n FROM source.t GROUP BY g, n", "SELECT g, n FROM source.t GROUP BY g, n, id"),
    ("DISTINCT as GROUP BY ALL", "SELECT DISTINCT g FROM source.t WHERE b", "SELECT g FROM source.t WHERE b GROUP BY ALL", "SELECT g FROM source.t GROUP BY g HAVING bool_or(b) IS NULL"),
    ("DISTINCT of groups", "SELECT g, count(*) AS v FROM source.t GROUP BY g", "SELECT DISTINCT g, count(*) AS v FROM source.t GROUP BY g", "SELECT DISTINCT g, count(*) AS v FROM source.t GROUP BY g, id"),
    ("GROUP BY over a computed column", "SELECT upper(g) AS v, count(*) AS c FROM source.t GROUP BY upper(g)",
     "WITH x AS (SELECT upper(g) AS v FROM source.t) SELECT v, count(*) AS c FROM x GROUP BY v",
     "WITH x AS (SELECT upper(g) AS v, g FROM source.t) SELECT v, count(*) AS c FROM x GROUP BY v, g"),
]

SETS = [
    ("arms of UNION ALL swapped", "SELECT id, n FROM source.t UNION ALL SELECT id, n FROM source.u",
     "SELECT id, n FROM source.u UNION ALL SELECT id, n FROM source.t",
     "SELECT id, n FROM source.u UNION ALL SELECT n, id FROM source.t"),
    ("arms of UNION ALL with constants swapped", "SELECT id, 't' AS v FROM source.t UNION ALL SELECT id, 'u' AS v FROM source.u",
     "SELECT id, 'u' AS v FROM source.u UNION ALL SELECT id, 't' AS v FROM source.t",
     "SELECT id, 't' AS v FROM source.u UNION ALL SELECT id, 'u' AS v FROM source.t"),
    ("arms of UNION swapped", "SELECT g FROM source.t UNION SELECT w FROM source.u",
     "SELECT w AS g FROM source.u UNION SELECT g FROM source.t", "SELECT g FROM source.t UNION ALL SELECT w FROM source.u"),
    ("arms of INTERSECT swapped", "SELECT id FROM source.t INTERSECT SELECT id FROM source.u",
     "SELECT id FROM source.u INTERSECT SELECT id FROM source.t", "SELECT id FROM source.u EXCEPT SELECT id FROM source.t"),
    ("arms with filters swapped", "SELECT id FROM source.t WHERE b UNION ALL SELECT id FROM source.t WHERE n > 1",
     "SELECT id FROM source.t WHERE n > 1 UNION ALL SELECT id FROM source.t WHERE b",
     "SELECT id FROM source.t WHERE n > 1 UNION ALL SELECT id FROM source.t WHERE n > 1"),
    ("parentheses of UNION ALL", "SELECT id FROM source.t UNION ALL SELECT id FROM source.u UNION ALL SELECT id FROM source.p",
     "SELECT id FROM source.t UNION ALL (SELECT id FROM source.u UNION ALL SELECT id FROM source.p)",
     "SELECT id FROM source.t UNION ALL (SELECT id FROM source.u UNION SELECT id FROM source.p)"),
    ("parentheses of UNION", "SELECT id FROM source.t UNION SELECT id FROM source.u UNION SELECT id FROM source.p",
     "SELECT id FROM source.p UNION (SELECT id FROM source.u UNION SELECT id FROM source.t)",
     "SELECT id FROM source.p UNION ALL (SELECT id FROM source.u UNION SELECT id FROM source.t)"),
    ("BY NAME with the same names", "SELECT id, n FROM source.t UNION ALL SELECT id, n FROM source.u",
     "SELECT id, n FROM source.t UNION ALL BY NAME SELECT n, id FROM source.u",
     "SELECT id, n FROM source.t UNION ALL SELECT n, id FROM source.u"),
    ("UNION BY NAME with the same names", "SELECT id, n FROM source.t UNION SELECT id, n FROM source.u",
     "SELECT id, n FROM source.t UNION BY NAME SELECT id, n FROM source.u",
     "SELECT id, n FROM source.t UNION ALL BY NAME SELECT id, n FROM source.u"),
]
NOT_WORTH_IT = [
    value("BETWEEN of an expression", "n + 1 BETWEEN 1 AND 3", "1 + n >= 1 AND 1 + n <= 3", "n + 1 BETWEEN 1 AND 4"),
    ("DISTINCT of DISTINCT", "SELECT DISTINCT g, n FROM source.t", "SELECT DISTINCT * FROM (SELECT DISTINCT g, n FROM source.t) AS x", "SELECT g, n FROM (SELECT DISTINCT g, n, b FROM source.t) AS x"),
]
# fmt: on

KNOWN = [*CONDITIONS, *VALUES, *SYNONYMS, *GROUPS, *SHAPES, *SETS]
UNKNOWN = [*NOT_WORTH_IT]
