"""What a team does at random: each step, and what production may be after it."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from tests.conftest import Repo, copied
from tests.walk.model import (
    Violation,
    contents,
    in_commit,
    in_tree,
    name_of,
    paths_of,
    wrong_tables,
)
from tests.walk.project import BAD_FOR_RULE, BAD_FOR_SQL, FAIL, TEXTS, WORTH_A_WARNING, path_of
from tests.walk.team import Walk

BRANCHES = ("dev", "feat/b")


# The steps. Each takes a walk and a number, which chooses among what there is.


def home_first(walk: Walk) -> Repo:
    """Home is on the production branch."""
    settle(walk)
    walk.home.switch("main")
    return walk.home


def settle(walk: Walk) -> None:
    if walk.home.git("status", "--porcelain"):
        walk.home.commit("As it was left", hooks=False)


def edit(walk: Walk, number: int) -> None:
    """An edit of a node on whichever branch is checked out; it may go back to what there was, and
    may fail."""
    nodes = list(TEXTS)
    chosen = nodes[number % len(nodes)]
    texts = TEXTS[chosen]
    walk.home.write(path_of(chosen), texts[number // len(nodes) % len(texts)])
    if number % 5:
        walk.home.commit(f"Edit {chosen}", hooks=False)
    walk.stays("somebody only edited")


def mend(walk: Walk, number: int) -> None:
    """Nothing fails any more, for good."""
    home = home_first(walk)
    for node, texts in TEXTS.items():
        if FAIL in home.read(path_of(node)):
            home.write(path_of(node), texts[0])
    home.write("raw/visits.csv", "n\n1\n4\n")
    home.commit("Mend", hooks=False)
    walk.stays("somebody only edited")


def track(walk: Walk, number: int) -> None:
    """A tracked file is edited."""
    walk.home.write("data/orders.csv", f"n\n{number}\n2\n")
    walk.home.commit("Other orders", hooks=False)
    walk.stays("somebody only edited")


def visit(walk: Walk, number: int) -> None:
    """Raw data moves: forth and back, and now and then it is bad."""
    value = (1, 2, 3, WORTH_A_WARNING, BAD_FOR_RULE, BAD_FOR_SQL)[number % 6]
    walk.home.write("raw/visits.csv", f"n\n{value}\n2\n")
    walk.stays("raw data moved")


def log(walk: Walk, number: int) -> None:
    """A file of a glob comes, changes, or goes."""
    path = walk.home.path / f"raw/logs/{number % 3}.csv"
    if path.exists() and number % 2 and len(list(path.parent.iterdir())) > 1:
        path.unlink()
    else:
        path.write_text(f"n\n{number}\n")
    walk.stays("raw data moved")


def run(walk: Walk, number: int) -> None:
    home_first(walk)
    walk.releases("run")


def run_uncommitted(walk: Walk, number: int) -> None:
    """Production may show what is in no commit."""
    home = home_first(walk)
    chosen = list(TEXTS)[number % len(TEXTS)]
    home.write(path_of(chosen), TEXTS[chosen][number // len(TEXTS) % len(TEXTS[chosen])])
    walk.releases("run")
    if number % 2:
        home.git("checkout", "--quiet", "--", ".")


def run_full(walk: Walk, number: int) -> None:
    home_first(walk)
    walk.releases("run", "--full")


def promote(walk: Walk, number: int) -> None:
    if number % 2:
        home_first(walk)
    walk.releases("promote")


def data_move_during_a_run(walk: Walk, number: int) -> None:
    """A file is replaced, and put back, while it is read: a table is of the one or of the other, or
    nothing is shown."""
    home = home_first(walk)
    path, texts = home.path / "raw/visits.csv", (f"n\n{number}\n2\n", "n\n3\n2\n4\n")
    with replaced_all_the_time(path, texts):
        done = walk.command("run")
    if done.code:
        walk.stays("a run failed")
        return
    defined = in_tree(home)
    loads = walk.now(defined)
    for node in ("source.visits", "source.twin"):
        loads[node] = [Counter((int(line),) for line in text.split()[1:]) for text in texts]
    walk.becomes({node: (each,) for node, each in defined.items()}, loads)


@contextmanager
def replaced_all_the_time(path: Path, texts: tuple[str, ...]) -> Iterator[None]:
    """Somebody else puts one text and another in the place of a file."""
    done, aside = Event(), path.with_suffix(".new")

    def replace() -> None:
        while not done.is_set():
            for text in texts:
                aside.write_text(text)
                aside.replace(path)
                time.sleep(0.001)

    thread = Thread(target=replace)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def status(walk: Walk, number: int) -> None:
    """If `status` has nothing to say of production, then that is the tip of its branch."""
    said = walk.home.seeknal("status", "--json").json
    production = said["production"]
    words = ("pending", "uncommitted", "failure", "restores")
    if any(production.get(word) for word in words) or said.get("missing"):
        return
    tip = {node: (each,) for node, each in in_commit(walk.home, "main").items()}
    if wrong := wrong_tables(walk.home, tip):
        raise Violation(f"status is silent, although {'; '.join(wrong)}")


def rollback_to(walk: Walk, number: int) -> None:
    """Any publication that is kept."""
    last = walk.home.promotions()
    rollback(walk, number, str(1 + number % last))


def reset(walk: Walk, number: int) -> None:
    """The tip is taken back, and production follows at once or later."""
    home = home_first(walk)
    if home.try_git("rev-parse", "-q", "--verify", "HEAD~2").returncode == 0:
        home.git("reset", "--quiet", "--hard", "HEAD~1")
    if number % 2:
        walk.releases("promote")


def run_some(walk: Walk, number: int) -> None:
    """`run --nodes` of production: any other node is as it was, or new as well."""
    home_first(walk)
    if walk.is_behind():
        return
    defined = in_tree(walk.home)
    chosen = sorted(node for node in defined if node.startswith("transform."))[number % 7]
    loads = walk.now(defined)
    kept = {
        node: [
            *options,
            *([walk.shown.views[name_of(node)].rows] if name_of(node) in walk.shown.views else []),
        ]
        for node, options in loads.items()
    }
    if walk.command("run", "--nodes", chosen, *(["--full"] if number % 4 == 0 else [])).code:
        walk.stays("run --nodes failed")
        return
    options = {
        node: (each, *(one for one in walk.shown.defined.get(node, ()) if one != each))
        for node, each in defined.items()
    }
    options[chosen] = (defined[chosen],)
    walk.becomes(options, kept)


def branch(walk: Walk, number: int) -> None:
    settle(walk)
    name = BRANCHES[number % len(BRANCHES)]
    if walk.home.try_git("switch", "--quiet", name).returncode:
        walk.home.git("switch", "--quiet", "--create", name, "main")


def run_branch(walk: Walk, number: int) -> None:
    """A branch's run leaves production alone, and if it succeeds, the branch is of one piece
    too."""
    if walk.home.git("branch", "--show-current") == "main":
        branch(walk, number)
    options = ((), (), ("--refresh",), ("--full",), ("--full", "--refresh"))[number % 5]
    done = walk.command("run", *options)
    walk.stays("a branch was run")
    name = walk.home.git("branch", "--show-current")
    schema = str(walk.home.seeknal("status", "--json").json["schema"]) if not done.code else ""
    if schema and (
        wrong := wrong_tables(
            walk.home, {node: (each,) for node, each in in_tree(walk.home).items()}, schema
        )
    ):
        raise Violation(f"on {name}: {'; '.join(wrong)}")


def merge(walk: Walk, number: int) -> None:
    """A merge, a squash, a rebase or a cherry-pick, and the promotion of it, at once or later."""
    home = home_first(walk)
    name = BRANCHES[number % 2]
    if home.try_git("rev-parse", "-q", "--verify", f"refs/heads/{name}").returncode:
        return
    way = (
        ("merge", "--no-edit", name),
        ("merge", "--squash", name),
        ("cherry-pick", name),
        ("rebase", name),
    )[number // 2 % 4]
    if home.try_git(*way).returncode:
        home.try_git(way[0], "--abort")
        home.git("reset", "--quiet", "--hard")
    elif "--squash" in way:
        home.commit(f"Squash {name}", hooks=False)
    if number % 3:
        walk.releases("promote")
    else:
        walk.stays("it was only merged")


def revert(walk: Walk, number: int) -> None:
    home = home_first(walk)
    back = home.git("rev-list", "--no-merges", "-n", "3", "main").splitlines()
    if home.try_git("revert", "--no-edit", back[number % len(back)]).returncode:
        home.try_git("revert", "--abort")
        home.git("reset", "--quiet", "--hard")
    if not (home.path / path_of("source.visits")).exists():  # the first commit is reverted
        home.git("reset", "--quiet", "--hard", "HEAD~1")
    if number % 3:
        walk.releases("promote")


def delete_branch(walk: Walk, number: int) -> None:
    home = home_first(walk)
    home.try_git("branch", "--quiet", "-D", BRANCHES[number % 2])
    walk.stays("a branch is gone")


def rollback(walk: Walk, number: int, *to: str) -> None:
    """Production shows what it showed before."""
    if walk.command("rollback", *to).code:
        walk.stays("rollback failed")
        return
    views = contents(walk.home)
    then = [each for each in walk.past if each.views == views]
    if not then:
        raise Violation("a rollback shows what production never showed")
    defined = {
        node: tuple(
            {str(option): option for each in then for option in each.defined.get(node, ())}.values()
        )
        for node in {node for each in then for node in each.defined}
    }
    walk.show(defined)


def gc(walk: Walk, number: int) -> None:
    walk.command("gc", "--yes")
    walk.stays("gc only tidies up")


def lose_a_file(walk: Walk, number: int) -> None:
    """Somebody writes into a delivered file, or removes it."""
    paths = sorted(
        path for path in paths_of(walk.shown.defined) if (walk.home.path / path).exists()
    )
    if not paths:
        return
    path = walk.home.path / paths[number % len(paths)]
    walk.marred.add(paths[number % len(paths)])
    path.write_text("something else\n") if number % 2 else path.unlink()
    walk.shown.files = walk.files()


def drop_a_table(walk: Walk, number: int) -> None:
    """Somebody drops the table of a branch, or of the past."""
    free = walk.home.numbers(
        "SELECT table_name FROM duckdb_tables() AS t WHERE schema_name = '_snapshots' AND NOT EXISTS "
        "(FROM duckdb_views() AS v WHERE v.sql LIKE '%' || t.table_name || '%') ORDER BY 1"
    )
    if free:
        walk.home.tamper(f'DROP TABLE _snapshots."{free[number % len(free)][0]}"')
    walk.stays("a table that nobody shows is gone")


def push(walk: Walk, number: int) -> None:
    settle(walk)
    walk.home.try_git("push", "--quiet", "origin", "main")


def pull(walk: Walk, number: int) -> None:
    home = home_first(walk)
    if home.try_git("pull", "--quiet", "--no-rebase", "--no-edit").returncode:
        home.try_git("merge", "--abort")
        home.git("reset", "--quiet", "--hard")


def mate_pulls(walk: Walk, number: int) -> None:
    if walk.mate.try_git("pull", "--quiet", "--no-rebase", "--no-edit").returncode:
        walk.mate.try_git("merge", "--abort")
        walk.mate.git("reset", "--quiet", "--hard", "origin/main")


def mate_edits(walk: Walk, number: int) -> None:
    nodes = list(TEXTS)
    chosen = nodes[number % len(nodes)]
    texts = [text for text in TEXTS[chosen] if FAIL not in text]
    walk.mate.write(path_of(chosen), texts[number // len(nodes) % len(texts)])
    walk.mate.commit(f"Edit {chosen} beside", hooks=False)
    walk.mate.try_git("push", "--quiet", "origin", "main")
    walk.stays("somebody only edited")


def mate_promotes(walk: Walk, number: int) -> None:
    walk.releases("promote")


def mate_runs(walk: Walk, number: int) -> None:
    walk.releases("run", *(["--full"] if number % 4 == 0 else []))


def kill(walk: Walk, number: int) -> None:
    """A run is killed: production is as it was, or as it should be, and the next run completes."""
    if not walk.kills:
        return
    home = home_first(walk)
    arguments = home.command("run", *(["--full"] if number % 2 else []))
    process = subprocess.Popen(
        arguments, cwd=home.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(0.5 + (number % 100) / 100)
    process.send_signal(signal.SIGKILL)
    process.wait()
    defined = in_tree(home)
    if contents(home) != walk.shown.views:
        walk.marred |= paths_of({node: (each,) for node, each in defined.items()}).keys()
        walk.becomes({node: (each,) for node, each in defined.items()}, walk.now(defined))
    else:
        walk.shown.files = walk.files()
    walk.releases("run")


Step = Callable[[Walk, int], None]
STEPS: tuple[Step, ...] = (
    edit,
    edit,
    edit,
    edit,
    visit,
    visit,
    visit,
    log,
    track,
    run,
    run,
    run,
    promote,
    promote,
    run_full,
    run_some,
    run_some,
    run_uncommitted,
    branch,
    branch,
    run_branch,
    run_branch,
    merge,
    merge,
    revert,
    delete_branch,
    rollback,
    rollback_to,
    reset,
    status,
    status,
    data_move_during_a_run,
    gc,
    lose_a_file,
    drop_a_table,
    push,
    pull,
    mate_pulls,
    mate_edits,
    mate_promotes,
    mate_runs,
    mend,
    mend,
    kill,
)
Story = list[tuple[Step, int]]


def drawn(seed: int, length: int) -> Story:
    chance = random.Random(seed)
    return [(chance.choice(STEPS), chance.randrange(1000)) for _ in range(length)]


def follow(walk: Walk, story: Story) -> Iterator[str]:
    """Take each step, and say what it was. Raises Violation."""
    for step, number in story:
        walk.told.append(f"{step.__name__}({number})")
        step(walk, number)
        yield walk.told[-1]


def begun(place: Path, team: Repo, *, kills: bool = False) -> Walk:
    return Walk(copied(team, place), kills)
