"""Text of others in Markdown: a comment on a pull request mentions nobody, links nowhere and keeps
its tables."""

from __future__ import annotations

import re

from seeknal_git.names import shown

# Words, numbers, and signs that mean nothing at their places. All other text is shown as code: on
# GitHub and on GitLab, code holds no mention, no reference and no link.
_PLAIN = re.compile(r"(?:[\w ,;()='+→…-]|(?<!:):(?![:/A-Za-z_]|\w*:)|\.(?!\w*://)|~(?= )|/(?!/))*")
_REFERENCES = re.compile(r"\bwww\.|\bGH-\d|(?<!\w)_|_(?!\w)|://", re.IGNORECASE)
_IN_BACK_TICKS = re.compile(r"\s*[^\s`|\\@#<!][^`|\\@#<!]*")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def text(said: str) -> str:
    """A text within a line."""
    line = shown(said)
    return line if _PLAIN.fullmatch(line) and not _REFERENCES.search(line) else code(line)


def code(name: str) -> str:
    """A name, wherever it stands: in a table too, in which a bar in back ticks ends a cell."""
    line = shown(name)
    if not _IN_BACK_TICKS.fullmatch(line) or _REFERENCES.search(line):
        return f"<code>{_PUNCTUATION.sub(lambda found: f'&#{ord(found[0])};', line)}</code>"
    return f"`{line}`"
