# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "pandas",
#     "duckdb",
#     "seeknal",
# ]
# ///

"""Second-order aggregation: features of regions."""

from seeknal.pipeline import second_order_aggregation


@second_order_aggregation(
    name="region_metrics",
    id_col="region",
    feature_date_col="paid_on",
    application_date_col="as_of",
    features={
        "daily_amount": {"basic": ["sum", "mean", "max", "stddev"]},
        "daily_count": {"basic": ["sum", "mean"]},
        "recent": {"basic": ["sum"], "window": [0, 7], "source_feature": "daily_amount"},
    },
)
def region_metrics(ctx):
    """Rows of days: the engine aggregates them."""
    return ctx.ref("transform.customer_daily")
