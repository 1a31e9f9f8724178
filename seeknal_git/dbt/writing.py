"""The SQL of a file of dbt in the words of a node: its references, variables and settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from seeknal_git.dbt.jinja import Call, has_jinja
from seeknal_git.dbt.reading import Reading
from seeknal_git.dbt.settings import Configured, Setting, as_text, merged
from seeknal_git.dbt.sql import Converted, NotPlain
from seeknal_git.names import IDENTIFIER
from seeknal_git.nodes.values import RESERVED


@dataclass(slots=True)
class Writing:
    """References and variables of one file, as nodes write them."""

    reading: Reading
    reads: dict[str, None] = field(default_factory=dict)
    variables: dict[str, None] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)

    def __call__(self, call: Call) -> str:
        """The text in place of a call. Raises NotPlain."""
        self.reading.names.need_own(call)
        if call.name == "var":
            return f"{{{{ {self._variable(call)} }}}}"
        found = self.reading.names.node(call)
        self.reads[found] = None
        return f"ref('{found}')"

    def _variable(self, call: Call) -> str:
        name, default = [*call.arguments, *call.options.values(), None, None][:2]
        known = self.reading.settings.variables
        if not IDENTIFIER.fullmatch(str(name)) or name in RESERVED:
            raise NotPlain(f"The variable {name} has a name that no variable can have here.")
        value = known.get(name, default)
        text = None if has_jinja(value) else as_text(value)
        if text is None:
            hint = "Give it a text or a number under `vars:` in dbt_project.yml."
            raise NotPlain(f"The variable {name} has no value, a list, or a template.", hint)
        if name in known:
            self.variables[name] = None
        elif self.params.setdefault(name, text) != text:
            raise NotPlain(f"The variable {name} has two defaults.")
        return str(name)


def with_own(config: Configured, sql: Converted, path: str) -> Configured:
    """Settings with those that the file itself has in `config(…)`."""
    own = {
        key.replace("-", "_"): Setting(value, path, line)
        for key, (value, line) in sql.config.items()
    }
    return merged(config, own)
