"""One module per kind of node: its keys, and the SELECT it compiles to. `kinds.py` lists them."""
