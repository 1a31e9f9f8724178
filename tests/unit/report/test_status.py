"""What the lists of a terminal leave out, they name."""

from __future__ import annotations

import pytest

from seeknal_git.commands.env import EnvironmentState
from seeknal_git.report import status
from seeknal_git.warehouse.model.clock import now


def environment(branch: str, schema: str) -> EnvironmentState:
    return EnvironmentState(
        branch=branch,
        schema=schema,
        commit="3f2a91c8d0",
        ahead=2,
        behind=0,
        nodes=12,
        used_at=now(),
        expires_at=None,
        production=False,
        branch_is_gone=False,
        held=None,
        partial=(),
    )


def test_a_list_of_environments_names_the_columns_that_a_terminal_has_no_room_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "is_terminal", lambda: True)
    monkeypatch.setattr(status, "width", lambda: 72)
    status.environments(
        [environment("main", "main"), environment("feature/count", "feature_count_1f0c8d2a")]
    )
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 72
    assert lines[0].split() == ["branch", "schema", "shows", "ahead", "behind", "idle"]
    assert "and 2 columns more: expires, tables" in said.err
