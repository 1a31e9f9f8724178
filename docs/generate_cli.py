"""Write docs/cli.md from the help of the commands themselves: `python docs/generate_cli.py`."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from seeknal_git.cli import application

PAGE = Path(__file__).with_name("cli.md")

HEAD = """\
# Commands

`git seeknal …` is the same as `seeknal …`. Every command finds its project from the folder it is called in, or from
`-C DIR`, which stands before or after the command. Results are printed to stdout, and everything else to stderr;
colours appear only on a terminal.

This page is made from the commands' own help, by `docs/generate_cli.py`.

## Completion in a shell

`seeknal --install-completion` lets bash, zsh or fish complete commands, options, branches, nodes, columns, tags, kinds and
metrics with the tab key: `seeknal run -s tag:ni`, `seeknal lineage orders.am`. It is installed for the shell that runs it, or for
the one that is named behind it. It writes a script of its own, and for bash and zsh a line into `.bashrc` or `.zshrc`;
`--show-completion` prints the script instead. To complete a name, files are parsed and the state of the warehouse is read;
nothing of a project is executed.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | it is done, or there was nothing to do |
| 1 | something is wrong with the project, the repository or the warehouse, or a node, rule or test failed |
| 2 | the command line asks for something that is not there |
| 3 | a bug in Seeknal; the message says where the log with the traceback is |
| 130 | interrupted. Finished work is kept |

## The plan as JSON

`seeknal plan --json` prints one object. `version` is 1. It is raised when a key is removed or changes its meaning; new
keys may come at any time.

| key | meaning |
| --- | --- |
| `version` | 1 |
| `environment` | the branch |
| `schema` | the schema of its environment |
| `production` | whether it is the production branch |
| `base` | the commit compared with; null where production was never published |
| `head` | the commit of the branch; null before the first one |
| `dirty` | whether there are uncommitted changes, which count |
| `selected` | with a selection, the ids of its nodes; null without. The keys below are about these nodes, the changes that reach them, and all that is built for them |
| `changes` | one object for each changed node, the most severe first |
| `layers` | the nodes to build: a list of lists. Those in one list can be built side by side |
| `reused` | the nodes that stay as they are |
| `reasons` | for each node downstream of a change, why it is rebuilt or re-used |
| `tests` | node → the tests that have no answer yet: they are new or changed, or a table that they read is built |
| `uses` | exposure that another system delivers → its type, name and owner, if a change reaches it |
| `built` | those of `layers` whose tables are there already; null where that cannot be known |
| `missing` | tables that the plan re-uses and the warehouse has not; null where that cannot be known |
| `partial` | node that its environment shows in part → an object as [below](#tables-in-part-as-json) |
| `unread` | why the warehouse was not read, so that the plan goes by git alone; or null |
| `failing`, `warned` | what was said of tests and rules that do not hold, of severity `error` and `warn`; or null |
| `partitions` | node with `partition:` that is to be built → how many it has (`total`) and which are to be built (`build`), or the source that has to be read before that is known (`after`), or why it is built as a whole (`whole`) |
| `moved` | raw data that production reads again: `node`, `files`, `loaded_at` and `changed_at`, in UTC |
| `absent` | raw data that is not here: objects with `node` and `raw_data`, the path |
| `frozen` | node → its inputs with `history: frozen`, whose new data changes no partition that is there |
| `unbuilt` | Python nodes whose columns nobody knows before they are built |
| `warnings` | messages about the project |
| `verified` | with `--verify`, one object for each promise about a SELECT; null without |

Each of `changes` has:

| key | meaning |
| --- | --- |
| `node` | the node, as `kind.name`; `seeknal_project.yml` for a setting that only production decides |
| `category` | `NEW`, `REMOVED`, `BREAKING`, `DATA`, `NON_BREAKING`, `CHECK` or `METADATA` |
| `path`, `line` | where it is defined |
| `what` | what changed, in words: a list |
| `rows` | whether the row set changed; null where that cannot be told |
| `columns` | those it touches: `name`, `change` (`added`, `removed`, `changed`), and the types `before` and `after` |
| `obstacles` | the constructs in the node that could not be resolved, and those that are unstable |
| `rebuilds` | the nodes that are built again because of this change |
| `reuses` | the nodes downstream that are not |

## Failures as JSON

`run --json` and `promote --json` have `failures` and `warned`: one object for each test or rule of severity `error` and
`warn` that does not hold, also of an earlier run. A node that failed for another reason is in `failures` too, with
`node` and `message`; its `check` and `sql` are null.

| key of a failure | meaning |
| --- | --- |
| `node`, `check` | the node, as `kind.name`, and the name of the check |
| `severity` | `error` or `warn` |
| `message`, `path`, `line` | what the text says, and where the check is defined |
| `violations`, `of` | how many rows violate it (of `unique`, how many values occur more than once), of how many |
| `rows` | at most 5 of them, each as an object of at most 12 columns, keys first; long values are cut |
| `sql` | a statement that selects all of them |
| `command` | the command that does so |

`run --json` and `promote --json` also have `doubted`: `node` and `message` for each Python node whose code read the network
or a file of the project that is no input of it. `folders` has, for each exposure with `partition_by` that was delivered, the
number of its folders (`total`), of those that were `written` anew, and of those that were `removed`.

## Tables in part as JSON

A branch that was run with `--since`, `--start` or `--end` shows some tables in part. `run --json`, `status --json` and
`plan --json` have them as `partial`: node → an object. `env list --json` has the list of the nodes.

| key of a table in part | meaning |
| --- | --- |
| `partitions`, `of` | how many partitions it holds, of how many; 0 where the node has none or, in a dry run, nobody knows yet |
| `since`, `until` | the first partition that it may have, and the one that it ends before; null without such a limit |
| `over` | the inputs in part that it reads as a whole |

## The checks as JSON

`seeknal checks --json` prints `version`, `environment`, `schema`, and `checks`: one object for each test or condition of a
rule, in the order of the nodes.

| key of a check | meaning |
| --- | --- |
| `node`, `check` | the node, as `kind.name`, and the name of the check |
| `state` | its last answer: `holds`, `warning`, `failed`, or `not asked` |
| `severity`, `path`, `line` | `error` or `warn`, and where it is defined |
| `violations`, `of` | how many rows violate it (of `unique`, how many values occur more than once), of how many; null if it was not asked |

One that does not hold has all keys of a failure, too; its `rows` are filled with `--rows`.

## The examples as JSON

`seeknal test --json` prints `version` and `examples`: one object for each example, in the order of the nodes and their files.

| key of an example | meaning |
| --- | --- |
| `node`, `example` | the node, as `kind.name`, and the name of the example |
| `state` | `holds` or `failed` |
| `path`, `line` | where it is |
| `error` | why it could not be run: `message`, `path`, `line` and `hint`; or null |
| `differences` | one object for each result that is not as expected: `cte` (null for the node itself), `rows` (how many were made), `count` (how many are expected, if that is wrong), `missing` and `unexpected` as numbers, and `differing`: the first of the rows, each with `row` and `line` of the expected one, `missing` and `unexpected` (column → text, or null) |

With `--from`, it prints the example that was written: `node`, `example`, `path`, `line`, `given` (input → number of rows), `rows`, and
`holds`.

## The lineage as JSON

`seeknal lineage --json` prints one object, with the nodes and columns that were asked for. `version` is 1, and means
the same as that of the plan.

| key of the lineage | meaning |
| --- | --- |
| `version` | 1 |
| `project`, `branch` | what it is the lineage of |
| `planned` | whether `change`, `state` and `why` are known; false where no plan can be made |
| `selected` | the node or the column that was asked for; null for the whole project |
| `nodes` | one object for each node, inputs before their readers |
| `edges` | a list of `[input, reader]` |

Each of `nodes` has:

| key of a node | meaning |
| --- | --- |
| `id`, `kind` | the node, as `kind.name`, and its kind |
| `layer` | how many of `nodes` are before it, on the longest way |
| `path`, `line` | where it is defined |
| `description` | from the file; null where there is none |
| `ends` | whether it has no columns, and only uses those that it reads: a rule, a metric, a dashboard |
| `use`, `url` | of an exposure that another system delivers: its type, name and owner in words, and its address; else null |
| `change` | the category of its change in the plan; null where it is unchanged |
| `state` | `build`, `built` (nothing is left to do for it, as far as the warehouse can be read) or `reuse`; null where nothing changes at all, and for a node that is removed |
| `why` | what changed, or why it is built or re-used: one sentence; null where there is nothing to say |
| `columns` | one object for each column |
| `rows` | the columns that decide which rows there are: a list of `[node, column]` |

Each of `columns` has:

| key of a column | meaning |
| --- | --- |
| `name` | its name; `*` stands for all columns where nobody can name them |
| `type` | null where it is not known |
| `change` | `added`, `removed` or `changed` by an edit of this node; null otherwise |
| `reads` | the columns that decide its values: a list of `[node, column]` |

Each of `verified` has:

| key | meaning |
| --- | --- |
| `node` | the node, as `kind.name` |
| `result` | `equal`, `not verified`, or, with the exit code 1, `differs` or `cannot be built` |
| `rows`, `columns` | how many were compared; null where that was not possible |
| `reason` | why it was not possible, which names or types differ, or which part was left out; or null |
| `reused` | whether it is a reader that the plan calls re-used, over its old and its new inputs; else it is an edit |
| `partitions` | whether partitions that are there were compared with a build of the whole |
| `only_before`, `only_after` | where rows differ, those of one version alone: their `count`, and at most 5 as `rows` |

## The log as JSON

`seeknal log --json` prints one object. `version` is 1, and means the same as that of the plan. A value that an
earlier version of Seeknal did not write down is null.

| key of the log | meaning |
| --- | --- |
| `version` | 1 |
| `environment`, `schema` | the branch, and the schema of its environment |
| `production` | whether it is the production branch |
| `earlier` | how many publications there are before those of `publications` |
| `publications` | one object for each publication, the newest first |

Each of `publications` has:

| key of a publication | meaning |
| --- | --- |
| `id` | its number, counted for each environment; `rollback` and `--at` take it |
| `commit` | the commit that was published; null where nobody knows it |
| `author` | of the commit; of a rollback, who made it |
| `published_at` | when, in UTC |
| `command` | `run`, `promote`, `hook` (a promotion that git started) or `rollback` |
| `seconds` | from the start of the run to the publication |
| `merged` | the branch that came in with the commit, where git knows it; or null |
| `restores` | the publication that a rollback shows again; null for all else |
| `built`, `reused`, `removed` | how many nodes the run built, found built, and removed |
| `warnings` | what was said of tests and rules of severity `warn` that do not hold |
| `current` | whether it is what the environment shows now |
| `kept`, `lost` | whether all its tables are kept, and the nodes whose tables are not |
| `uncommitted` | whether it was made of uncommitted nodes |
| `subject` | the first line of the commit's message; null if this clone does not have it |
| `nodes` | one object for each node that it re-pointed: `node`, `change`, `rows_before`, `rows_after`, `built` |

`change` is `added`, `re-pointed`, `removed`, or `restored` where only the view was damaged.

`seeknal rollback --json` has `publication` (the id of the new one; null with `--dry-run`), `from` and `to` (as above,
up to `warnings`), `tip` (of the production branch), `differs_from_tip`, `nodes` (as above, without `built`),
`earlier_loads` (sources that show an earlier load) and `files`, with the exposures that were `written`, are `to_write`
(with `--dry-run`), `not_written` (each with the reason), `left`, as they were first delivered later (each with its
file), and `kept` (each with the place of the file that somebody had changed). `yours` lists the views and tables that
somebody made in place of views of ours that went; they stay.

`seeknal status --at REV --json` has `publication` (as above, up to `removed`), `asked` (the commit that was asked for,
where it was not published itself), `current`, `kept`, `lost`, `nodes` (each with `node`, `view`, `rows` and `kept`),
and `since`, which leads to the tables that production shows now, like the `nodes` of a rollback.

## An import as JSON

`seeknal import dbt --json` prints one object. `version` is as above.

| key | meaning |
| --- | --- |
| `project` | the name of the dbt project |
| `dry_run` | whether nothing was written |
| `taken` | one object for each node: `node`, `files`, and `from`, the file of dbt |
| `present` | the nodes and macros (`macro.NAME`) that were there already, and stay as they are |
| `data` | file of data that is copied → its bytes |
| `variables` | variable that the project file gets → its text |
| `awaited` | source whose data is still to come → the path of its file |
| `left` | everything that is not taken: `file` and `line` of dbt, `message` and `hint` |
| `notes` | settings that nodes are taken without, in the same form |

"""


def commands(of: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, groups before what is in them."""
    of = of or typer.main.get_command(application())
    for name, command in of.commands.items():
        yield (*words, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))


def help_of(words: tuple[str, ...]) -> str:
    """What `seeknal … --help` prints on a terminal of 80 columns."""
    text = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            application()([*words, "--help"], prog_name="seeknal")
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


def page() -> str:
    sections = [
        f"## seeknal {' '.join(words)}\n\n```text\n{help_of(words)}\n```\n"
        for words in sorted(commands())
    ]
    return HEAD + "\n".join([f"## seeknal\n\n```text\n{help_of(())}\n```\n", *sections])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: {len(list(commands()))} commands\n")
