"""Two organisations: ours, with one record of each kind and two more items, and theirs, with one of each."""

from typing import Any

import pytest

from tests.conftest import make_user
from tests.workitems import SEED_BODY, Place
from workitems.demo import load_demo


@pytest.fixture
def ours(db) -> Place:
    return Place("ours", 1)


@pytest.fixture
def theirs(db) -> Place:
    return Place("theirs", 101)


@pytest.fixture
def member(ours):
    """A member of our organisation, without a role in the registry."""
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
    """The member's client."""
    return bearer(member)


@pytest.fixture
def seed(db, bearer) -> Any:
    """A client that sees the examples, as the key that `make run` prints does."""
    user = make_user("shown")
    load_demo(user)
    return bearer(user)


@pytest.fixture
def body() -> dict[str, Any]:
    return dict(SEED_BODY)
