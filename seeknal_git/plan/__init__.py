"""Two projects compared as values: the changes, how bad each is, and why. Reads no file, no git
and no warehouse."""
