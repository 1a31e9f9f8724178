"""How the git hooks stand."""

from __future__ import annotations

from seeknal_git.git.hooks import HookState
from seeknal_git.report.terminal import columns, out


def as_text(found: list[HookState]) -> None:
    kept = {hook.name: f"runs after {hook.kept.name}" if hook.kept else "" for hook in found}
    out("\n".join(columns([(hook.name, hook.state, kept[hook.name]) for hook in found])))
    for hook in found:
        if hook.lines:
            out(f"\ncore.hooksPath is set, so nothing was written. Add to {hook.path}:\n{hook.lines}")
