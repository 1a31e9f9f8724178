"""`seeknal parse`"""

from __future__ import annotations

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened


def parse(
    as_json: AsJson = False, data_root: DataRoot = None, project_path: ProjectPath = HERE
) -> None:
    """Write target/manifest.json: nodes, edges, layers, columns.

    Each node has its fingerprints.

    \b
    Examples:
      seeknal parse
      seeknal parse --json | jq .layers
    """
    from seeknal_git.commands.validate import write_manifest
    from seeknal_git.report.terminal import counted, out, out_json

    path, content = write_manifest(opened(project_path, data_root))
    if as_json:
        out_json(content)
    else:
        nodes, edges = (
            counted(len(content["nodes"]), "node"),
            counted(len(content["edges"]), "edge"),
        )
        tables, layers = (
            counted(content["metadata"]["tables"], "table"),
            counted(content["metadata"]["depth"], "layer"),
        )
        out(f"{tables}, {nodes}, {edges}, {layers}: {path}")
