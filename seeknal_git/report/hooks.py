"""How the git hooks stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seeknal_git.report.terminal import columns, out, out_lines

if TYPE_CHECKING:
    from seeknal_git.git.hooks import HookState


def show(found: Sequence[HookState]) -> None:
    out(*columns([(hook.name, hook.state, _remark(hook)) for hook in found]))
    for hook in found:
        if hook.lines:
            out("", f"git runs {hook.path} as its {hook.name} hook. Add these lines to it:")
            out_lines(hook.lines)


def _remark(hook: HookState) -> str:
    kept = [f"runs after {hook.kept.name}"] if hook.kept else []
    names = ["the top folder" if folder == "." else folder for folder in hook.others]
    others = [f"also for {', '.join(names)}"] if names else []
    return "; ".join(kept + others)
