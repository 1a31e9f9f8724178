# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "pandas",
#     "duckdb",
#     "seeknal",
# ]
# ///

"""Transform: the share and the rank of each category."""

import pandas as pd
from seeknal.pipeline import PipelineContext, transform


@transform(name="category_insights", description="Share and rank of each category")
def category_insights(ctx: PipelineContext) -> pd.DataFrame:
    sales = ctx.ref("transform.sales_enriched")
    if not isinstance(sales, pd.DataFrame):
        sales = sales.df()
    known = sales[sales["category"].notna()].copy()
    found = known.groupby("category").agg(
        sales=("event_id", "count"), amount=("amount", "sum"), average=("amount", "mean")
    ).reset_index()
    found["share"] = round(found["amount"] / found["amount"].sum() * 100, 2)
    found["rank"] = found["amount"].rank(ascending=False).astype(int)
    print(f"{len(found)} categories")
    return found.sort_values("rank")
