# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "pandas",
#     "duckdb",
#     "seeknal",
# ]
# ///

"""Feature group: how customers pay."""

from seeknal.pipeline import feature_group
from seeknal.pipeline.materialization import Materialization, OfflineConfig


@feature_group(
    name="customer_features",
    entity="customer",
    description="How customers pay",
    materialization=Materialization(offline=OfflineConfig(format="parquet")),
)
def customer_features(ctx):
    paid = ctx.ref("source.payments")
    return ctx.duckdb.sql("""
        SELECT customer_id, CAST(COUNT(*) AS BIGINT) AS payments,
            CAST(SUM(amount) AS DOUBLE) AS total, CAST(AVG(amount) AS DOUBLE) AS average,
            CURRENT_TIMESTAMP AS event_time
        FROM paid
        GROUP BY customer_id
    """).df()
