"""The setting `workers`, and the options in its place."""

from __future__ import annotations

from typing import Any

import pytest

from seeknal_git.errors import ProjectError
from seeknal_git.project.settings import read_settings, spelt
from seeknal_git.project.worker_settings import THREADS, WorkerSettings, chosen

DASK = WorkerSettings("dask", 4, "tcp://here:8786")


def read(text: str) -> WorkerSettings:
    return read_settings(f"name: shop\nworkers: {text}\n".encode()).workers


def test_threads_build_unless_others_are_named() -> None:
    assert read_settings(b"name: shop\n").workers == THREADS
    assert read("{backend: dask, jobs: 4, address: 'tcp://here:8786'}") == DASK
    assert spelt("workers", DASK) == "{backend: dask, jobs: 4, address: tcp://here:8786}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("4", "is a mapping, such as", id="a number"),
        pytest.param("{bakend: loky}", "Did you mean `backend`?", id="a key"),
        pytest.param("{backend: lokey}", "Did you mean loky?", id="a backend"),
        pytest.param("{backend: spark}", "There are threading, loky, dask, ray.", id="another"),
        pytest.param("{jobs: 0}", "a number of nodes from 1 on", id="no jobs"),
        pytest.param("{jobs: many}", "a number of nodes from 1 on", id="jobs in words"),
        pytest.param("{backend: loky, address: 'tcp://h:1'}", "has no address", id="an address"),
    ],
)
def test_a_mistake_is_one_message_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read(text)
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.line == 2


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param({}, DASK, id="nothing"),
        pytest.param({"jobs": 2}, WorkerSettings("dask", 2, DASK.address), id="jobs"),
        pytest.param(
            {"backend": "loky"}, WorkerSettings("loky", 4), id="a backend on this machine"
        ),
        pytest.param({"backend": "ray"}, WorkerSettings("ray", 4), id="a cluster of another kind"),
        pytest.param(
            {"address": "tls://h:1"}, WorkerSettings("dask", 4, "tls://h:1"), id="address"
        ),
    ],
)
def test_options_take_the_place_of_single_keys(
    given: dict[str, Any], found: WorkerSettings
) -> None:
    assert chosen(DASK, given) == found
