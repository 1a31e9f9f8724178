"""Results as text, Markdown, JSON and HTML. The only package that prints: results on stdout,
everything else on stderr."""
