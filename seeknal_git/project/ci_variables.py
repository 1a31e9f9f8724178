"""Continuous integration, as its variables describe it."""

from __future__ import annotations

import os
from collections.abc import Mapping

# The variables in which continuous integration names the branch of a pull request.
_OF_A_PULL_REQUEST = (
    "GITHUB_HEAD_REF",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "BITBUCKET_PR_SOURCE_BRANCH",
    "SYSTEM_PULLREQUEST_SOURCEBRANCH",
    "CHANGE_BRANCH",
)
_PUSHED = (
    "CI_COMMIT_BRANCH",
    "BITBUCKET_BRANCH",
    "BUILD_SOURCEBRANCH",
    "CIRCLE_BRANCH",
    "BUILDKITE_BRANCH",
    "GIT_BRANCH",
)
# The commit that its pipeline is about. (Another one may be checked out.)
_COMMITS = (
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BITBUCKET_COMMIT",
    "BUILD_SOURCEVERSION",
    "CIRCLE_SHA1",
    "BUILDKITE_COMMIT",
    "GIT_COMMIT",
)
# Who says so first decides. Azure and Jenkins do not set CI.
_IN_CI = ("SEEKNAL_CI", "CI", "TF_BUILD", "JENKINS_URL")
_NO = frozenset({"", "0", "false", "no"})


def in_ci(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether a command runs in continuous integration: SEEKNAL_CI says so, or not, whatever the
    service's variables say."""
    said = next((variables[name] for name in _IN_CI if name in variables), "")
    return said.strip().lower() not in _NO


def commit_in_ci(variables: Mapping[str, str] = os.environ) -> str | None:
    """The commit that a pipeline is about."""
    return next((variables[name] for name in _COMMITS if variables.get(name)), None)


def branch_in_ci(production: str, variables: Mapping[str, str] = os.environ) -> str | None:
    """The branch that continuous integration builds, as its variables name it. A pull request is
    never production, whatever its branch is called in the repository that it comes from."""
    requested = [variables.get(name, "").removeprefix("refs/heads/") for name in _OF_A_PULL_REQUEST]
    if variables.get("BUILDKITE_PULL_REQUEST", "false") != "false":
        requested.append(variables.get("BUILDKITE_BRANCH", ""))
    if branch := next(filter(None, requested), None):
        return f"pull-request/{branch}" if branch == production else branch
    if variables.get("GITHUB_REF_TYPE") == "branch" and "pull_request" not in variables.get(
        "GITHUB_EVENT_NAME", ""
    ):
        return variables.get("GITHUB_REF_NAME") or None
    pushed = (
        variables.get(name, "").removeprefix("refs/heads/").removeprefix("origin/")
        for name in _PUSHED
    )
    return next((branch for branch in pushed if branch), None)
