"""How fast the product is, measured from outside: see README.md, and run `python -m benchmarks`."""
