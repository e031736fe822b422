"""How a body is read: in bounded time, memory and work, whatever its client does."""

import asyncio
from collections.abc import Iterable

import pytest

from itempath.server import bodies
from itempath.server.bodies import FREE, MAX_PARTS, Body, Budget, Refused, refuse_incomplete

pytestmark = pytest.mark.any_database

LIMIT = 1_048_576


async def stream(parts: Iterable[bytes], pause: float = 0):
    """Yield what Granian hands over: the parts, then an empty one."""
    for part in [*parts, b""]:
        await asyncio.sleep(pause)
        yield part


def read(parts: Iterable[bytes], length: int | None = None, budget: Budget | None = None, pause: float = 0) -> bytes:
    with Body(budget or Budget()) as body:
        return asyncio.run(body.read(stream(parts, pause), length))


def refusal(*args, **kwargs) -> Refused:
    with pytest.raises(Refused) as caught:
        read(*args, **kwargs)
    return caught.value


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(bodies, "PAUSE", 0)


@pytest.mark.parametrize("parts", [[], [b"x"], [b"ab", b"cd"], [b"x" * LIMIT]])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_is_the_sum_of_its_parts(parts, chunked):
    whole = b"".join(parts)
    assert read(parts, None if chunked else len(whole)) == whole


def test_a_body_whose_length_is_known_is_not_waited_for_beyond_it(settings):
    settings.BODY_TIMEOUT = 0.2

    async def endless():
        yield b"abc"
        await asyncio.sleep(60)

    with Body(Budget()) as body:
        assert asyncio.run(body.read(endless(), 3)) == b"abc"


def test_one_byte_more_than_is_taken_is_kept_of_a_large_body():
    assert len(read([b"x" * 700_000] * 5, 3_500_000)) == LIMIT + 1


def test_a_body_that_does_not_come_in_time_is_refused(settings):
    settings.BODY_TIMEOUT = 0.05
    refused = refusal([b"a", b"b"], 3, pause=0.04)
    assert (refused.status, refused.message) == (408, "The body did not come within 0.05 seconds.")


def test_a_large_body_that_stalls_is_too_large_and_not_late(settings):
    settings.BODY_TIMEOUT = 0.05
    assert len(read([b"x" * (LIMIT + 9), b"y"], 5_000_000, pause=0.04)) == LIMIT + 1


def test_too_many_chunks_are_refused():
    assert len(read([b"x"] * MAX_PARTS)) == MAX_PARTS
    assert refusal([b"x"] * (MAX_PARTS + 1)).status == 413


def test_all_bodies_together_hold_a_bounded_memory():
    budget = Budget(limit=100_000)
    with Body(budget) as waiting:
        asyncio.run(waiting.read(stream([b"x" * 90_000]), None))
        assert refusal([b"y" * 50_000], budget=budget).status == 503
        assert read([b"z" * FREE], budget=budget) == b"z" * FREE  # a login comes through
    assert budget.left == 100_000
    assert len(read([b"y" * 50_000], budget=budget)) == 50_000


@pytest.mark.parametrize(
    ("length", "path", "body", "status"),
    [(3, "/api/x", b"ab", 400), (3, "/admin/x", b"", 400), (None, "/admin/x", b"ab", 411)],
)
def test_a_part_of_a_body_is_no_body(length, path, body, status):
    with pytest.raises(Refused) as caught:
        refuse_incomplete(length, path, body)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("length", "path", "body"),
    [(3, "/api/x", b"abc"), (None, "/api/x", b"ab"), (9_000_000, "/api/x", b"x" * (LIMIT + 1))],
)
def test_a_whole_body_is_taken_and_a_large_one_is_left_to_django(length, path, body):
    refuse_incomplete(length, path, body)
