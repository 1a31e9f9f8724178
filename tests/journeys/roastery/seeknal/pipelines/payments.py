# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "pandas",
#     "duckdb",
#     "seeknal",
# ]
# ///

"""Sources: payments, and the rates of currencies."""

import pandas as pd
from seeknal.pipeline import source
from seeknal.pipeline.materialization_config import MaterializationConfig


@source(
    name="payments",
    source="csv",
    table="data/payments.csv",
    columns={"payment_id": "Number of the payment", "amount": "Paid, in the region's currency"},
    tags=["finance"],
    description="Payments of customers",
)
def payments(ctx=None):
    """Declare the payments."""
    pass


@source(
    name="rates",
    source="csv",
    table="data/rates.csv",
    materialization=MaterializationConfig(enabled=False, table="lake.raw.rates", mode="append"),
)
def currency_rates() -> pd.DataFrame:
    return pd.read_csv("data/rates.csv")
