"""What a node is: one module a kind, and how a file becomes a node."""
