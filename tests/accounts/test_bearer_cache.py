"""Bearers are cached for seconds, and never beyond their expiry or revocation."""

import subprocess
import time
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts import bearer_cache
from accounts.models import ApiKey, ApplicationToken, User
from accounts.roles import Role
from accounts.tokens import AccessToken
from tests.conftest import make_user
from tests.core.api import PATH


@pytest.fixture
def cached(reader, bearer):
    """A client whose key is in the cache."""
    client = bearer(reader)
    assert client.get(PATH).status_code == 200
    return client


def test_a_revoked_key_is_refused_at_once_by_the_process_that_revoked_it(cached):
    ApiKey.objects.get().revoke()
    assert cached.get(PATH).status_code == 401


def test_a_deleted_key_is_refused_at_once(cached):
    ApiKey.objects.get().delete()
    assert cached.get(PATH).status_code == 401


def test_an_inactive_user_is_refused_at_once(cached, reader):
    reader.is_active = False
    reader.save()
    assert cached.get(PATH).status_code == 401


def test_a_role_that_is_taken_is_gone_at_once(cached, reader):
    reader.set_role(Role.NONE)
    assert cached.get(PATH).status_code == 403


def test_a_role_that_is_given_counts_at_once(stranger, bearer):
    client = bearer(stranger)
    assert client.get(PATH).status_code == 403
    stranger.set_role(Role.READER)
    assert client.get(PATH).status_code == 200


def test_what_another_process_revoked_is_refused_within_five_seconds(cached):
    ApiKey.objects.update(revoked_at=timezone.now())  # without a signal, as in another process
    start = time.monotonic()
    while cached.get(PATH).status_code == 200:
        assert time.monotonic() - start < 5
        time.sleep(0.2)


@pytest.mark.parametrize("model", [ApiKey, ApplicationToken])
def test_a_cached_credential_ends_at_its_expiry(model, reader, bearer):
    client = bearer(model.issue(reader, expires_at=timezone.now() + timedelta(seconds=60)))
    assert client.get(PATH).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert client.get(PATH).status_code == 401


def test_a_cached_access_token_ends_at_its_expiry(reader, bearer):
    client = bearer(str(AccessToken.for_user(reader)))
    assert client.get(PATH).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert client.get(PATH).status_code == 401


def test_the_use_of_a_cached_key_is_recorded_once_a_minute(cached):
    first = ApiKey.objects.get().last_used_at
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        cached.get(PATH)
    assert ApiKey.objects.get().last_used_at >= first + timedelta(seconds=60)


def test_a_refused_bearer_is_not_cached(db, bearer):
    bearer("0" * 64).get(PATH)
    assert len(bearer_cache.bearers) == 0


def test_the_size_of_the_cache_is_limited(reader):
    for number in range(bearer_cache.CACHE_SIZE + 10):
        bearer_cache.put(str(number).encode(), reader, None)
    assert len(bearer_cache.bearers) == bearer_cache.CACHE_SIZE
    bearer_cache.clear()


@pytest.mark.live
def test_every_process_of_a_server_refuses_what_a_command_revoked(new_server):
    server = new_server(WEB_CONCURRENCY="2")

    def status():
        request = urllib.request.Request(
            f"{server.base}/api/connections?limit=1", headers={"Authorization": f"Bearer {server.key}"}
        )
        try:
            return urllib.request.urlopen(request, timeout=10).status
        except urllib.error.HTTPError as error:
            return error.code

    assert {status() for _ in range(20)} == {200}
    done: subprocess.CompletedProcess[str] = server.manage(
        "shell",
        "-v0",
        "-c",
        "from accounts.models import ApiKey; [key.revoke() for key in ApiKey.objects.all()]",
    )
    assert done.returncode == 0, done.stderr
    time.sleep(5)
    assert {status() for _ in range(20)} == {401}


def test_the_users_of_two_bearers_are_not_mixed_up(reader, bearer):
    other = make_user("other", Role.NONE)
    for _ in range(2):
        assert bearer(reader).get(PATH).status_code == 200
        assert bearer(other).get(PATH).status_code == 403
    assert User.objects.count() == 2
