"""Send nodes of a run to workers in other processes, and take back what they made.

A node goes if its table is one SELECT over tables of the lake; its checks go with it. All others
are built in the run's own process: sources, whose files are here; Python nodes, whose environment
is; histories, partitions and views.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from seeknal_git.build import telling
from seeknal_git.build.check_questions import whole_question
from seeknal_git.build.compute import reads_files, targets_of_check
from seeknal_git.build.failures import FAILURES, in_words
from seeknal_git.build.judging import check_refused, fail, judge
from seeknal_git.build.layers import skip
from seeknal_git.build.pools import Pool
from seeknal_git.build.processes import Processes
from seeknal_git.build.progress import Event
from seeknal_git.build.schedule import Bundle, Twins
from seeknal_git.build.site import Site, relations_of, snapshot_of
from seeknal_git.build.tables import failing_in_words, order_of
from seeknal_git.build.tasks import Answer, Done, Question, Task
from seeknal_git.names import is_changes
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.model.queries import relation
from seeknal_git.warehouse.protocol import Builder


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends the nodes of one run."""

    site: Site
    processes: Processes
    pool: Pool
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    def gathered(self, units: Iterable[Twins]) -> Sequence[Twins | Bundle]:
        """The nodes of a layer, with all that go to workers in one bundle, which comes first."""
        here, away = list[Twins](), list[Twins]()
        for unit in units:
            (away if all(self._may_go(unit, node) for node in unit) else here).append(unit)
        return [Bundle(away), *here] if away else here

    def _may_go(self, unit: Twins, identifier: str) -> bool:
        work = self.site.work
        numbers = work.checks.get(identifier, ())
        if any((identifier, number) in self.site.answers for number in numbers):
            return False  # its table is, or may be, in pieces
        reads = {
            read for number in numbers for read in targets_of_check(work.graph, identifier, number)
        }
        if identifier in work.reasons:
            if not self._is_one_select(identifier):
                return False
            reads.update(work.graph.targets[identifier][0])
        tables = [snapshot_of(work, self.site.progress, read) for read in reads - set(unit)]
        return not any(table.files for table in tables)  # which lie on this machine

    def _is_one_select(self, identifier: str) -> bool:
        """Whether a node's table, which is to be built, is made by one SELECT over tables."""
        work, node = self.site.work, self.site.work.graph.node(identifier)
        is_special = reads_files(node) or node.is_python or node.partition or node.is_view
        is_promised = node.promises and work.graph.columns[identifier] is None
        is_made = work.inventory.wanted(identifier) in self.site.made
        return not (is_special or is_promised or is_made or is_changes(identifier))

    def send(self, bundle: Bundle, builder: Builder) -> None:
        """Have a bundle built and checked, and record what came of it. builder: of this thread."""
        units, begun = bundle.units, set[int]()

        def begin(task: Task) -> bool:
            if not self._begin(units[task.number], is_new=task.number not in begun):
                return False
            begun.add(task.number)
            return True

        for done in self.pool.done(self._tasks(units), begin):
            if done.snapshot:
                builder.adopt(done.snapshot)
            self._receive(units[done.number], done)

    def _tasks(self, units: Sequence[Twins]) -> list[Task]:
        """The tasks of nodes. A node whose SQL cannot be written fails."""
        found = []
        for number, unit in enumerate(units):
            try:
                found.append(self._task(number, unit))
            except FAILURES as exc:
                for node in unit:
                    fail(self.site, node, in_words(exc, self.site.work.graph.node(node).path))
        return found

    def _begin(self, unit: Twins, *, is_new: bool) -> bool:
        """Tell that nodes begin; False if they are not wanted any more."""
        site = self.site
        if site.stopping.is_set():
            return False
        if site.progress.failed and not site.work.options.keep_going:
            skip(unit, site.report, site.progress)
            return False
        for node in unit if is_new else ():
            site.report(Event("start", node))
        return True

    def _task(self, number: int, unit: Twins) -> Task:
        site, (first, *_) = self.site, unit
        blueprint = order_of(site, first) if first in site.work.reasons else None
        own, taken = dict[str, str](), list[str]()
        if blueprint:
            beginning = blueprint.beginning.lower()
            taken = [table for table in site.taken if table.startswith(beginning)]
            own = dict.fromkeys(unit, relation(blueprint.free_name(taken)))
        questions = [
            self._question(node, check, own)
            for node in unit
            for check in site.work.checks.get(node, ())
        ]
        return Task(
            number,
            self.run,
            self.processes.directions,
            blueprint,
            tuple(taken),
            tuple(questions),
            site.work.options.retry + 1,
        )

    def _question(self, identifier: str, number: int, own: dict[str, str]) -> Question:
        """A check. own: node → its table, of those that the same task builds."""
        work = self.site.work
        targets = targets_of_check(work.graph, identifier, number)
        others = relations_of(self.site, [target for target in targets if target not in own])
        query = whole_question(work, identifier, number, {**others, **own})
        is_known = work.inventory.answer(identifier, number) is not None
        return Question(identifier, number, query, again=is_known)

    def _receive(self, unit: Twins, done: Done) -> None:
        """Record what a worker made of a task."""
        site = self.site
        for node in unit:
            if done.refusal:
                self._refused(node, done)
            elif done.snapshot:
                site.made[site.work.inventory.wanted(node)] = done.snapshot
                site.progress.built[node] = done.snapshot
                site.report(telling.of_table(node, done.snapshot))
        for answer in done.answers:
            self._answered(answer)
        for node in unit:
            site.report(Event("done", node))

    def _refused(self, identifier: str, done: Done) -> None:
        node = self.site.work.graph.node(identifier)
        try:
            with failing_in_words(node):
                assert done.refusal
                done.refusal.raise_again()
        except FAILURES as exc:
            fail(self.site, identifier, in_words(exc, node.path))

    def _answered(self, answer: Answer) -> None:
        site, question = self.site, answer.question
        node = site.work.graph.node(question.node)
        check = node.checks[question.number]
        if answer.refusal:
            refused = SqlError(answer.refusal.message, answer.refusal.line)
            fail(site, node.id, in_words(check_refused(node, check, refused), node.path))
        elif answer.audit:
            if site.work.options.verbose:
                told = (check.title, question.query, answer.audit, answer.seconds)
                telling.check(*told, site.report)
            judge(site, node.id, question.number, answer.audit)
