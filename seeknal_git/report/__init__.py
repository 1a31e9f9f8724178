"""Results as text, Markdown and JSON. The only package that prints: results on stdout, everything
else on stderr."""
