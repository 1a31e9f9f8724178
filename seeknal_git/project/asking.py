"""Ask the engine questions, each as soon as the answers that it follows from are here. Answers are
remembered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.questions import Question
from seeknal_git.sql.statement import Known

if TYPE_CHECKING:
    from seeknal_git.sql.describe import Statement

_MANY = 100  # answers that are written down at once


@dataclass(slots=True)
class Asking:
    """Questions on their way to their answers."""

    cache: Cache
    known_of: Callable[[str], Known]  # the known facts about the table of a node
    hear: Callable[[Question, Mapping[str, Any]], None]  # takes an answer, and may add questions
    # may add questions while no other is ready; false if there is nothing left to do
    find: Callable[[], bool]
    added: deque[Question] = field(default_factory=deque)  # those that may be remembered
    ready: deque[str] = field(default_factory=deque)  # the keys of those that the engine is asked
    asked: dict[str, list[Question]] = field(default_factory=dict)  # by key, until the answer
    # key and question, by the number of the statement
    sent: list[tuple[str, Question]] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)  # id → a hash of its table as it is known
    fresh: dict[str, Any] = field(default_factory=dict)  # answers that are not written down yet

    def add(self, questions: Iterable[Question]) -> None:
        """Ask more. The columns of everything that they read are known."""
        self.added.extend(questions)

    def all(self) -> None:
        """Ask until there is no question left. Raises ProjectError."""
        statements = self._statements()
        first = next(statements, None)
        if first is None:
            return
        from seeknal_git.sql.describe import judge
        from seeknal_git.sql.worker import TooLong

        try:
            judge(chain([first], statements), self._hear)
        except TooLong as exc:
            _, question = self.sent[exc.at]
            raise ProjectError(
                [Problem(exc.message, question.node.path, question.line, exc.hint)]
            ) from exc
        finally:
            self._write()

    def _statements(self) -> Iterator[Statement | None]:
        """The statements to judge; None if the next one follows from an answer."""
        while True:
            if self.added:
                self._look_up()
            elif self.ready:
                key = self.ready.popleft()
                question = self.asked[key][0]
                self.sent.append((key, question))
                yield self._statement(question)
            elif self.find():
                continue
            elif self.asked:
                yield None
            else:
                return

    def _look_up(self) -> None:
        """Take the answers that are remembered."""
        questions = [(self._key(question), question) for question in self.added]
        self.added.clear()
        remembered = self.cache.get("binding", {key for key, _ in questions} - self.asked.keys())
        for key, question in questions:
            if answer := remembered.get(key) or self.fresh.get(key):
                self.hear(question, answer)
            elif key in self.asked:
                self.asked[key].append(question)
            else:
                self.asked[key] = [question]
                self.ready.append(key)

    def _hear(self, number: int, answer: Mapping[str, Any]) -> None:
        key, _ = self.sent[number]
        questions = self.asked.pop(key)
        if not answer.get("limit") and not any(asking.node.secrets for asking in questions):
            self.fresh[key] = answer
            if len(self.fresh) == _MANY:
                self._write()
        for question in questions:
            self.hear(question, answer)

    def _write(self) -> None:
        if self.fresh:
            self.cache.put("binding", self.fresh)
            self.fresh = {}

    def _statement(self, question: Question) -> Statement:
        from seeknal_git.sql.describe import Statement

        accepted = question.node.checks[question.position - 1].accepted if question.position else {}
        return Statement(
            question.sql,
            question.reading.references,
            question.targets,
            [self.known_of(target) for target in question.targets],
            question.promises if question.position == 0 else None,
            accepted,
            question.decides,
        )

    def _key(self, question: Question) -> str:
        inputs = [self._key_of(target) for target in question.targets]
        return digest(
            question.sql,
            *question.targets,
            *inputs,
            str(question.decides),
            str(bool(question.position)),
            repr(question.promises),
        )

    def _key_of(self, node: str) -> str:
        if node not in self.keys:
            self.keys[node] = digest(repr(self.known_of(node)))
        return self.keys[node]
