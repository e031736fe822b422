"""Two organizations, `ours` and `theirs`, each with three items and one record of each other type."""

from typing import Any

import pytest

from tests.conftest import make_user
from tests.workitems import SEED_BODY, SampleOrganization
from workitems.demo import load_demo


@pytest.fixture
def ours(db) -> SampleOrganization:
    return SampleOrganization("ours", 1)


@pytest.fixture
def theirs(db) -> SampleOrganization:
    return SampleOrganization("theirs", 101)


@pytest.fixture
def member(ours):
    """A member of `ours` who has no role in the registry."""
    user = make_user("member")
    ours.organization.members.add(user)
    return user


@pytest.fixture
def outsider(theirs):
    user = make_user("outsider")
    theirs.organization.members.add(user)
    return user


@pytest.fixture
def client(member, bearer):
    """An API client of `member`."""
    return bearer(member)


@pytest.fixture
def seed(db, bearer) -> Any:
    """An API client that sees the example work items, like the key that `make run` prints."""
    user = make_user("shown")
    load_demo(user)
    return bearer(user)


@pytest.fixture
def body() -> dict[str, Any]:
    return dict(SEED_BODY)
