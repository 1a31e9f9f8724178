"""Finds out which tables are missing, builds and checks them, publishes and delivers them."""
