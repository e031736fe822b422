"""Print a file for `import_workitems`: `python bench/work_item_dataset.py large > FILE`.

The output is the same for every run.

The large set has 10,000 items, 2,000 bugs, 200 initiatives, 100 backlogs and 50,000 links, 25 of them of bug
1; the small one has 2 items, an initiative, a backlog and 2 links, all of bug 1. User 1000 has the key KEY.
"""

import json
import random
import sys
from typing import Any

KEY = "bench0000000000000000000000000000000000000000000000000000000000"
USER, ORGANIZATION = 1000, 1
SIZES = {
    "small": {"items": 2, "bugs": 1, "initiatives": 1, "backlogs": 1, "connections": 2},
    "large": {"items": 10_000, "bugs": 2_000, "initiatives": 200, "backlogs": 100, "connections": 50_000},
}
LINKS_OF_BUG_1 = {"small": 2, "large": 25}
FIRST_LINK = {"small": 1_000_001, "large": 1}  # so that the large set can be imported after the small one
MOMENT = "2026-05-07T13:30:00.000Z"
ENDS = ("initiativeId", "backlogId", "itemId", "bugId")


def shared(number: int, item_type: str) -> dict[str, Any]:
    """Return the fields that every item type has."""
    text = f"What {item_type} {number} is about, in a sentence or two as people write them. " * 3
    return {
        "id": number,
        "organizationId": ORGANIZATION,
        "title": f"{item_type} {number}",
        "description": text,
        "createdBy": USER,
    }


def planned(number: int) -> dict[str, Any]:
    return {
        "assignee": USER,
        "statusId": 1 + number % 5,
        "points": number % 9,
        "plannedOn": MOMENT,
        "archived": 0,
    }


def item(number: int) -> dict[str, Any]:
    owner = {
        "ownerId": 1,
        "ownerTable": "backlogs",
        "mailers": "!ann@example.com!",
        "orderIndex": number % 100,
    }
    return {**shared(number, "Item"), **planned(number), **owner}


def bug(number: int) -> dict[str, Any]:
    return {
        **shared(number, "Bug"),
        "severity": f"P{number % 4}",
        "statusId": 1,
        "reportedBy": USER,
        "mailers": "!bob@example.com!",
    }


def initiative(number: int) -> dict[str, Any]:
    return {
        **shared(number, "Initiative"),
        "horizon": MOMENT,
        "statusId": 1,
        "mailers": None,
        "orderIndex": number,
    }


def backlog(number: int) -> dict[str, Any]:
    return {**shared(number, "Backlog"), **planned(number)}


def pairs(sizes: dict[str, int], of_bug_1: int) -> list[tuple[str, int, str, int]]:
    """Return the two ends of each link in random order. Bug 1 has `of_bug_1` of the links."""
    rng = random.Random(415)
    found = dict.fromkeys(("bugId", 1, "itemId", number) for number in range(1, of_bug_1 + 1))
    while len(found) < sizes["connections"]:
        end, count = rng.choice(
            [
                ("bugId", sizes["bugs"]),
                ("initiativeId", sizes["initiatives"]),
                ("backlogId", sizes["backlogs"]),
            ]
        )
        pair = (end, rng.randint(1, count), "itemId", rng.randint(1, sizes["items"]))
        if pair[:2] != ("bugId", 1):
            found[pair] = None
    return rng.sample(list(found), len(found))


def dataset(size: str) -> dict[str, Any]:
    """Return the content of the file; `size` is "small" or "large"."""
    sizes = SIZES[size]
    makers = {"backlogs": backlog, "items": item, "bugs": bug, "initiatives": initiative}
    links = enumerate(pairs(sizes, LINKS_OF_BUG_1[size]), start=FIRST_LINK[size])
    return {
        "organizations": [{"id": ORGANIZATION, "name": "Bench"}],
        "users": [
            {
                "id": USER,
                "username": "bench",
                "email": "bench@example.com",
                "organizations": [ORGANIZATION],
                "apiKey": KEY,
            }
        ],
        **{name: [make(number) for number in range(1, sizes[name] + 1)] for name, make in makers.items()},
        "connections": [
            dict.fromkeys(ENDS) | {"id": number, one: pk, other: target}
            for number, (one, pk, other, target) in links
        ],
    }


if __name__ == "__main__":
    json.dump(dataset(sys.argv[1]), sys.stdout)
