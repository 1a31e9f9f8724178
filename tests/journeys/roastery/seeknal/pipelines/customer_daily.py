# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "pandas",
#     "duckdb",
#     "seeknal",
# ]
# ///

"""Transform: payments of each customer and day."""

from seeknal.pipeline import transform


@transform(name="customer_daily", description="Payments of each customer and day", inputs=["source.payments"])
def customer_daily(ctx, payments):
    return ctx.duckdb.sql("""
        SELECT customer_id, region, CAST(paid_on AS DATE) AS paid_on,
            CAST('2026-02-04' AS DATE) AS as_of,
            CAST(SUM(amount) AS DOUBLE) AS daily_amount,
            CAST(COUNT(*) AS BIGINT) AS daily_count
        FROM payments
        GROUP BY ALL
        ORDER BY ALL
    """).df()
