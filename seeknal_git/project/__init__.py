"""One project at one tree: settings, nodes, graph, columns, raw data, fingerprints."""
