"""The workflows of `seeknal init --ci`, executed: their shell steps, as each service would run
them, with a server, a clone of a developer and one of a runner, and with scripts in place of gh,
curl and pip that write down their calls."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, SHOP, Repo, forked
from tests.lakes import of_a_file

pytestmark = of_a_file

# A comment is one file; whoever asks for comments gets its number, as `gh --jq` and as curl.
PROGRAMS = {
    "python3": f"""
        case "$2 $3" in
            "-m pip") echo "pip $*" >> "$RECORD/calls" ;;
            "-m seeknal_git") shift 3; eval "exec $SEEKNAL"' "$@"' ;;
            *) exec {shlex.quote(sys.executable)} "$@" ;;
        esac
    """,
    "seeknal": """eval "exec $SEEKNAL"' "$@"'""",  # for those who write their own
    "gh": """
        [ -n "$GH_TOKEN" ] || exit 4
        for last; do case "$last" in body=@*) cp "${last#body=@}" "$RECORD/comment.md"; body=1;; esac; done
        echo "gh $*" >> "$RECORD/calls"
        [ -n "$body" ] || { [ ! -e "$RECORD/comment.md" ] || echo 7; }
    """,
    "curl": """
        for last; do case "$last" in body@*) cp "${last#body@}" "$RECORD/comment.md"; body=1;; esac; done
        echo "curl $*" >> "$RECORD/calls"
        case "$*" in *"--header @-"*) grep -q '^PRIVATE-TOKEN: token$' || exit 22 ;; *) exit 22 ;; esac
        [ -n "$body" ] && exit
        [ -e "$RECORD/comment.md" ] && printf '[{"id": 7, "body": "%s ..."}]' "$(head -n 1 "$RECORD/comment.md")" || echo '[]'
    """,
}


@dataclass(frozen=True)
class Event:
    """What happens on the server: `opened`, `closed`, `push` or `schedule`."""

    kind: str
    branch: str = "main"
    fork: bool = False

    @property
    def of_a_request(self) -> bool:
        return self.kind in ("opened", "closed")


@dataclass
class Machine:
    """A server, a developer's clone, and a runner with a folder for the warehouse."""

    place: Path
    folder: str
    service: str
    workflow: dict[Any, Any] = field(default_factory=dict)
    has_data: bool = True

    @property
    def developer(self) -> Repo:
        return Repo(self.place / "developer" / self.folder)

    @property
    def runner(self) -> Repo:
        return Repo(self.place / "runner")

    @property
    def data(self) -> Repo:
        """The project's folder in the data root, with the warehouse."""
        return Repo(self.place / "data" / self.folder)

    @property
    def comment(self) -> str:
        return (self.place / "comment.md").read_text()

    @property
    def summary(self) -> str:
        return (self.place / "summary.md").read_text()

    def calls(self, program: str) -> list[str]:
        return [
            line
            for line in (self.place / "calls").read_text().splitlines()
            if line.startswith(program)
        ]

    def push(
        self, branch: str, change: Callable[[Repo], None] = lambda _: None, *, ref: str = ""
    ) -> str:
        """The developer commits a change on a branch, new ones from main as it was at first, and
        pushes it."""
        there = (
            self.developer.try_git("rev-parse", "--verify", f"refs/heads/{branch}").returncode == 0
        )
        self.developer.git(
            "switch", "--quiet", *([branch] if there else ["--create", branch, "first"])
        )
        change(self.developer)
        commit = self.developer.commit(f"On {branch}")
        self.developer.git("push", "--quiet", "origin", f"{branch}:{ref or f'refs/heads/{branch}'}")
        return commit

    def merge(self, branch: str) -> None:
        """As a server does it: no hook of anybody's fires."""
        self.developer.git("switch", "--quiet", "main")
        self.developer.merge(branch, "--no-ff")
        self.developer.git("push", "--quiet", "origin", "main")

    def happens(self, event: Event) -> dict[str, bool]:
        """Run the jobs that an event starts; job → whether it succeeded."""
        jobs = _github(self, event) if self.service == "github" else _gitlab(self, event)
        ended: dict[str, bool] = {}
        for name, needs, run in jobs:
            if all(ended.get(each) for each in needs):
                ended[name] = run()
        return ended

    def shell(self, script: str, folder: str, variables: Mapping[str, str]) -> bool:
        environment = os.environ | {
            "SEEKNAL": shlex.join(forked()),
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "RECORD": str(self.place),
            **variables,
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.runner.path / folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        with (self.place / "output").open("a") as output:
            output.write(f"$ {script}\n{done.stdout}{done.stderr}\n→ {done.returncode}\n")
        if self.service == "gitlab":
            (self.place / "summary.md").write_text(done.stdout)
        return done.returncode == 0

    def checkout(self, commit: str, branch: str | None) -> None:
        """What both services do, whatever an earlier job left: nothing of the clone's own but what
        is asked for."""
        self.runner.git("checkout", "--quiet", "--detach")
        for name in self.runner.git(
            "for-each-ref", "--format=%(refname:short)", "refs/heads"
        ).split():
            self.runner.git("branch", "--quiet", "--delete", "--force", name)
        self.runner.git(
            "fetch",
            "--quiet",
            "--prune",
            "origin",
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/pull/*:refs/pull/*",
        )
        self.runner.git(
            "checkout", "--quiet", *(["-B", branch, commit] if branch else ["--detach", commit])
        )


Jobs = Iterator[tuple[str, list[str], Callable[[], bool]]]


def _commit_of(machine: Machine, event: Event) -> str:
    return machine.developer.git("rev-parse", event.branch)


def _github(machine: Machine, event: Event) -> Jobs:
    workflow = machine.workflow
    name = "pull_request" if event.of_a_request else event.kind
    assert name in workflow[True], "YAML reads `on` as a boolean"
    context = {
        "github.event_name": name,
        "github.event.action": event.kind,
        "github.repository": "team/shop",
        "github.event.pull_request.head.repo.full_name": "somebody/shop"
        if event.fork
        else "team/shop",
        "github.event.pull_request.head.sha": _commit_of(machine, event),
        "github.event.pull_request.number": "1",
        "github.head_ref": event.branch,
        "github.token": "" if event.fork else "token",
        "vars.SEEKNAL_DATA_ROOT": ""
        if event.fork or not machine.has_data
        else str(machine.place / "data"),
        "vars.SEEKNAL_RUNNER": "warehouse",
        "vars.SEEKNAL_INSTALL": "--require-hashes --requirement /srv/seeknal.txt",
    }
    variables = {
        "GITHUB_EVENT_NAME": name,
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REF_NAME": "1/merge" if event.of_a_request else event.branch,
        "GITHUB_HEAD_REF": event.branch if event.of_a_request else "",
        "GITHUB_REPOSITORY": "team/shop",
        "GITHUB_STEP_SUMMARY": str(machine.place / "summary.md"),
        "RUNNER_TEMP": str(machine.place / "temp"),
    }

    def value(expression: str) -> Any:
        python = (
            expression.replace("&&", " and ").replace("||", " or ").replace("!cancelled()", "True")
        )
        named = re.sub(
            r"\b(?:github|vars)(?:\.\w+)+", lambda found: f"context[{found[0]!r}]", python
        )
        return eval(f"({named})", {"context": context})

    def filled(given: Mapping[str, Any]) -> dict[str, str]:
        return {
            key: re.sub(r"\$\{\{(.+?)\}\}", lambda found: str(value(found[1].strip())), str(text))
            for key, text in given.items()
        }

    def run(job: dict[str, Any]) -> bool:
        checkout = filled(
            next(step["with"] for step in job["steps"] if "checkout" in step.get("uses", ""))
        )
        assert (checkout["fetch-depth"], checkout["persist-credentials"]) == ("0", "False")
        ref, ok = checkout["ref"], True
        machine.checkout(f"origin/{ref}" if ref == "main" else ref, ref if ref == "main" else None)
        for step in job["steps"]:
            if "run" in step and (ok or "cancelled" in step.get("if", "")):
                own = (
                    filled(workflow["env"])
                    | filled(job.get("env", {}))
                    | filled(step.get("env", {}))
                )
                ok &= machine.shell(
                    step["run"], workflow["defaults"]["run"]["working-directory"], variables | own
                )
        return ok

    for name, job in workflow["jobs"].items():
        needs = [job["needs"]] if "needs" in job else []
        if value(job["if"]):
            yield name, needs, partial(run, job)


def _gitlab(machine: Machine, event: Event) -> Jobs:
    jobs = machine.workflow
    variables = {
        "CI_PIPELINE_SOURCE": "merge_request_event" if event.of_a_request else event.kind,
        "CI_PROJECT_URL": str(machine.place / "server"),
        "SEEKNAL_INSTALL": "--require-hashes --requirement /srv/seeknal.txt",
    }
    if event.of_a_request:
        variables |= {
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2" if event.fork else "1",
            "CI_MERGE_REQUEST_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": event.branch,
            "CI_MERGE_REQUEST_IID": "1",
            "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
        }
    else:
        variables["CI_COMMIT_BRANCH"] = event.branch
    if not event.fork:
        variables |= {"SEEKNAL_GITLAB_TOKEN": "token"}
    if machine.has_data and not event.fork:
        variables |= {"SEEKNAL_DATA_ROOT": str(machine.place / "data")}
    stop = next(
        job["environment"]["on_stop"]
        for job in jobs.values()
        if "on_stop" in job.get("environment", {})
    )

    def wanted(name: str, job: dict[str, Any]) -> bool:
        if name.startswith(".") or (event.kind == "closed") != (name == stop):
            return False
        rule = job["rules"][0]["if"].replace("&&", " and ")
        return bool(
            eval(re.sub(r"\$(\w+)", r"variables.get('\1', '')", rule), {"variables": variables})
        )

    def run(job: dict[str, Any]) -> bool:
        base = jobs[job["extends"]]
        own = base["variables"] | job.get("variables", {}) | variables
        assert own["GIT_DEPTH"] == "0"
        if own.get("GIT_STRATEGY") != "none":
            machine.checkout(_commit_of(machine, event), None)
        before = job.get("before_script", base["before_script"])
        return machine.shell("\n".join([*before, *job["script"]]), "", own)

    for name, job in jobs.items():
        if wanted(name, job):
            yield (
                name.partition(":")[2],
                [each.partition(":")[2] for each in job.get("needs", [])],
                partial(run, job),
            )


@pytest.fixture(
    params=[("github", ""), ("gitlab", "it's europe")],
    ids=["GitHub", "GitLab, a project in a folder"],
)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    service, folder = request.param
    machine = Machine(tmp_path, folder, service)
    (tmp_path / "bin").mkdir()
    for name, script in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    (tmp_path / "calls").touch()
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "server.git"], check=True)
    subprocess.run(
        ["git", "clone", "--quiet", tmp_path / "server.git", tmp_path / "developer"],
        check=True,
        capture_output=True,
    )
    for path, text in SHOP.items():
        machine.developer.write(path, text)
    machine.developer.commit("First")
    machine.developer.seeknal("init", "--ci", service)
    (file,) = machine.developer.git(
        "ls-files", "--others", "--exclude-standard", "--full-name", ":/"
    ).splitlines()
    machine.developer.git("add", ":/")
    machine.developer.commit("Continuous integration")
    machine.workflow = yaml.safe_load((tmp_path / "developer" / file).read_text())
    machine.developer.git("branch", "first")
    machine.developer.git("push", "--quiet", "origin", "main")
    subprocess.run(
        ["git", "clone", "--quiet", tmp_path / "server.git", tmp_path / "runner"], check=True
    )
    for name in ("data", "temp"):
        (tmp_path / name).mkdir()
    return machine


BEST = """
    kind: transform
    name: best
    inputs: [transform.daily]
    transform: |
      SELECT max(total) AS total FROM transform.daily
"""


def more_columns(repo: Repo) -> None:
    repo.replace(
        "seeknal/transforms/daily.yml",
        "sum(amount) AS total",
        "sum(amount) AS total, count(*) AS orders",
    )


def test_a_change_goes_from_a_pull_request_into_production_and_its_environment_goes(
    machine: Machine,
) -> None:
    assert machine.happens(Event("push")) == {"promote": True}
    machine.push("feature/orders", more_columns)
    opened = Event("opened", "feature/orders")
    assert machine.happens(opened) == {"plan": True, "build": True}, (
        machine.place / "output"
    ).read_text()
    assert machine.comment.startswith("<!-- seeknal")
    assert "NON_BREAKING" in machine.comment
    assert "orders" in machine.comment
    before = {name: rows for name, (_, rows) in machine.data.production().items()}
    (schema,) = machine.data.numbers(
        "SELECT DISTINCT schema_name FROM _seeknal.environments WHERE branch = 'feature/orders'"
    )
    assert machine.data.numbers(f"SELECT sum(orders) FROM {schema[0]}.daily") == [(4,)]

    machine.happens(opened)  # pushed again: the comment is the same one
    written = [
        call
        for call in machine.calls("gh") + machine.calls("curl")
        if re.search("POST|PUT|PATCH", call)
    ]
    assert ["POST" in call for call in written] == [True, False]
    assert "/7" in written[1]

    machine.merge("feature/orders")
    tables = machine.data.snapshots()
    assert machine.happens(Event("push")) == {"promote": True}
    assert machine.data.snapshots() == tables  # nothing was built again
    merged = fresh(machine)
    assert machine.data.production() == merged
    assert {name: rows for name, (_, rows) in machine.data.production().items()} != before

    machine.developer.git("push", "--quiet", "origin", "--delete", "feature/orders")
    assert machine.happens(Event("closed", "feature/orders")) == {"drop": True}
    assert machine.happens(Event("closed", "feature/orders")) == {
        "drop": True
    }  # there is none, and that is fine
    assert machine.data.environments() == ["main"]

    assert machine.happens(Event("schedule")) == {"nightly": True}
    assert machine.data.production() == merged
    assert not machine.data.try_git(
        "rev-parse", "--git-dir"
    ).stdout  # the data root is a folder, and no clone
    assert machine.calls("pip")[0].startswith("pip -I -m pip install --quiet --require-hashes ")


def fresh(machine: Machine) -> dict[str, Any]:
    place = machine.place / "fresh"
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", machine.place / "server.git", place], check=True)
    repo = Repo(place / machine.folder)
    repo.seeknal("run")
    return repo.production()


def test_a_pull_request_that_conflicts_fails_with_the_reason_in_its_comment(
    machine: Machine,
) -> None:
    machine.happens(Event("push"))
    machine.push(
        "dev", lambda repo: repo.replace("seeknal/transforms/daily.yml", "AS total", "AS revenue")
    )
    machine.push("main", lambda repo: repo.write("seeknal/transforms/best.yml", BEST))
    before = machine.data.production()
    assert machine.happens(Event("opened", "dev")) == {"plan": False}
    assert "would break the pipeline" in machine.comment
    assert "seeknal/transforms/best.yml:5" in machine.comment
    assert machine.data.production() == before
    assert machine.data.environments() == ["main"]

    machine.push(
        "dev",
        lambda repo: repo.write(
            "seeknal/transforms/more.yml", "kind: transform\nname: more\ntransform: SELEC\n"
        ),
    )
    assert machine.happens(Event("opened", "dev")) == {"plan": False}
    assert "seeknal/transforms/more.yml:3" in machine.comment


def test_a_fork_gets_a_plan_and_writes_nothing(machine: Machine) -> None:
    machine.happens(Event("push"))
    machine.push("fork", more_columns, ref="refs/pull/2/head")
    data = {path: path.stat().st_mtime_ns for path in (machine.place / "data").rglob("*")}
    assert machine.happens(Event("opened", "fork", fork=True)) == {"fork": True}
    assert "NON_BREAKING" in machine.summary
    assert {path: path.stat().st_mtime_ns for path in (machine.place / "data").rglob("*")} == data
    assert machine.calls("gh") + machine.calls("curl") == []
    assert machine.happens(Event("closed", "fork", fork=True)) == {} or machine.service == "gitlab"


def test_a_workflow_without_a_folder_for_the_warehouse_only_plans(machine: Machine) -> None:
    machine.has_data = False
    machine.push("dev", more_columns)
    assert machine.happens(Event("push")) == machine.happens(Event("schedule")) == {}
    assert machine.happens(Event("opened", "dev")) == {"plan": True}
    assert "NON_BREAKING" in machine.comment
    assert not list((machine.place / "data").iterdir())


def test_the_five_lines_for_another_service_do_what_the_page_says(
    shop: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = re.findall(
        r"^```sh\n(.*?)^```$", (ROOT / "docs/ci.md").read_text(), re.MULTILINE | re.DOTALL
    )
    plan, run, promote, nightly, collect = (
        shlex.split(re.sub("[>#].*", "", line))[1:] for line in block.splitlines()
    )
    monkeypatch.setenv("SEEKNAL_DATA_ROOT", str(tmp_path / "data"))
    data = Repo(tmp_path / "data")
    shop.seeknal(*promote)
    shop.switch("dev", create=True)
    more_columns(shop)
    shop.commit()
    shop.git("switch", "--quiet", "--detach")
    monkeypatch.setenv("BUILDKITE_BRANCH", "dev")
    assert "NON_BREAKING" in shop.seeknal(*plan).out
    shop.seeknal(*run)
    assert data.numbers("SELECT sum(orders) FROM dev.daily") == [(4,)]
    shop.switch("main")
    shop.merge("dev")
    for command in (promote, nightly, collect):
        shop.seeknal(*command)
    monkeypatch.delenv("SEEKNAL_DATA_ROOT")
    assert data.production() == shop.fresh_build()
