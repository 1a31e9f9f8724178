# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "pandas",
#     "duckdb",
#     "seeknal",
# ]
# ///

"""Transform: the sales of regions in EUR."""

from seeknal.pipeline import transform
from seeknal.pipeline.decorators import materialize


def rates_of(context):
    return context.ref("source.rates")


@materialize(type="postgresql", connection="shop_pg", table="analytics.regions", mode="full")
@transform(name="region_analytics", inputs=["transform.sales_enriched"], digits=2, least=0.5)
def analytics(context):
    sales = context.ref("transform.sales_enriched")
    rates = rates_of(context)
    digits = context.get_param("digits", 0)
    return context.duckdb.sql(f"""
        SELECT s.region, r.currency, COUNT(*) AS sales,
            ROUND(SUM(s.amount) * r.rate, {digits}) AS amount_eur
        FROM sales s
        LEFT JOIN rates r ON s.region = r.region
        WHERE s.quantity > {context.params["least"]}
        GROUP BY s.region, r.currency, r.rate
        ORDER BY s.region
    """).df()
