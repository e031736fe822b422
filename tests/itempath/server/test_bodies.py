"""Request bodies take bounded memory and work, whatever the client does."""

from collections.abc import Iterable

import pytest

from itempath.server.bodies import MAX_PARTS, READ_DELAY, UNBUDGETED_SIZE, Body, BodyRefused, Budget, has_body

pytestmark = pytest.mark.any_database

LIMIT = 1_048_576
CHUNKED = {"transfer-encoding": "chunked"}


def sized(length: int) -> dict[str, str]:
    return {"content-length": str(length)}


def collect(parts: Iterable[bytes], headers: dict[str, str], budget: Budget | None = None) -> Body:
    """Return the body made of `parts`, which are added until the body is complete."""
    body = Body(headers, budget or Budget())  # type: ignore[arg-type]  # a dict has the methods that it uses
    for part in [*parts, b""]:
        if body.add(part):
            break
    return body


def read(*args, path: str = "/api/x", **kwargs) -> bytes:
    return collect(*args, **kwargs).content(path)


def refusal(*args, **kwargs) -> int:
    with pytest.raises(BodyRefused) as caught:
        read(*args, **kwargs)
    return caught.value.status


@pytest.mark.parametrize(
    ("headers", "announced"),
    [
        ({}, False),
        (sized(0), False),
        (sized(1), True),
        (CHUNKED, True),
        ({**CHUNKED, "content-length": "0"}, True),
    ],
)
def test_what_announces_a_body(headers, announced):
    assert has_body(headers) is announced


@pytest.mark.parametrize("parts", [[], [b"x"], [b"ab", b"cd"], [b"x" * LIMIT]])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_is_the_sum_of_its_parts(parts, chunked):
    whole = b"".join(parts)
    assert read(parts, CHUNKED if chunked else sized(len(whole))) == whole


def test_a_body_whose_length_is_known_ends_with_it():
    body = Body(sized(3), Budget())
    assert [body.add(b"ab"), body.add(b"c")] == [False, True]


def test_one_byte_more_than_is_taken_is_kept_of_a_large_body():
    body = collect([b"x" * 700_000] * 5, sized(3_500_000))
    assert body.is_full
    assert len(body.content("/api/x")) == LIMIT + 1


def test_an_endless_body_is_not_read_for_ever():
    body = collect([b"x" * LIMIT] * 1000, sized(10**10))
    assert body.part_count < 70


def test_too_many_chunks_are_refused():
    assert len(read([b"x"] * MAX_PARTS, CHUNKED)) == MAX_PARTS
    assert refusal([b"x"] * (MAX_PARTS + 1), CHUNKED) == 413


@pytest.mark.parametrize(
    ("headers", "part", "delay"),
    [(sized(10_000), b"x", READ_DELAY), (sized(10_000), b"x" * 5000, 0), (CHUNKED, b"x", 0)],
)
def test_small_parts_are_waited_for_where_that_brings_them_together(headers, part, delay):
    assert Body(headers, Budget()).delay_after(part) == delay


def test_all_bodies_together_hold_a_bounded_memory():
    budget = Budget(limit=100_000)
    waiting = collect([b"x" * 90_000], CHUNKED, budget)
    assert refusal([b"y" * 50_000], CHUNKED, budget) == 503
    assert read([b"z" * UNBUDGETED_SIZE], CHUNKED, budget) == b"z" * UNBUDGETED_SIZE  # a login comes through
    waiting.release()
    assert budget.left == 100_000
    assert len(read([b"y" * 50_000], CHUNKED, budget)) == 50_000


@pytest.mark.parametrize(
    ("headers", "path", "parts", "status"),
    [
        (sized(3), "/api/x", [b"ab"], 400),
        (sized(3), "/admin/x", [], 400),
        (sized(5_000_000), "/api/x", [b"ab"], 400),
        (CHUNKED, "/admin/x", [b"ab"], 411),
    ],
)
def test_a_part_of_a_body_is_no_body(headers, path, parts, status):
    assert refusal(parts, headers, path=path) == status
