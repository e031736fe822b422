import time

import pytest
import time_machine

from accounts import rate_limits
from accounts.models import ApiKey, ApplicationToken

pytestmark = pytest.mark.any_database

PATH = "/api/connections?countOnly=true"


@pytest.fixture(autouse=True)
def new_windows(monkeypatch):
    """Start each test with empty windows, 30 seconds into a minute."""
    monkeypatch.setattr(
        rate_limits,
        "WINDOWS",
        (
            rate_limits.RateWindow(60, "API_RATE_PER_MINUTE"),
            rate_limits.RateWindow(86_400, "API_RATE_PER_DAY"),
        ),
    )
    with time_machine.travel("2026-05-07T12:00:30Z", tick=False) as traveller:
        yield traveller


def statuses(client, calls):
    return [client.get(PATH).status_code for _ in range(calls)]


def test_a_minute_is_a_fixed_window(api, settings, new_windows):
    settings.API_RATE_PER_MINUTE = 3
    assert statuses(api, 5) == [200, 200, 200, 429, 429]
    answer = api.get(PATH)
    assert (answer["Retry-After"], answer.json()["errors"]) == ("30", [])
    new_windows.shift(29)
    assert statuses(api, 1) == [429]
    new_windows.shift(1)
    assert statuses(api, 4) == [200, 200, 200, 429]


def test_a_day_is_a_fixed_window(api, settings, new_windows):
    settings.API_RATE_PER_DAY = 2
    assert statuses(api, 3) == [200, 200, 429]
    assert api.get(PATH)["Retry-After"] == str(12 * 3600 - 30)
    new_windows.shift(12 * 3600)
    assert statuses(api, 2) == [200, 200]


def test_the_longer_wait_is_told(api, settings):
    settings.API_RATE_PER_MINUTE = settings.API_RATE_PER_DAY = 1
    assert statuses(api, 2) == [200, 429]
    assert int(api.get(PATH)["Retry-After"]) > 60


def test_zero_is_off(api, settings):
    settings.API_RATE_PER_MINUTE = settings.API_RATE_PER_DAY = 0
    assert set(statuses(api, 50)) == {200}


def test_each_process_allows_its_share(api, settings):
    settings.API_RATE_PER_MINUTE, settings.WEB_CONCURRENCY = 10, 4
    assert statuses(api, 4) == [200, 200, 200, 429]


def test_each_credential_counts_for_itself(reader, application, bearer, settings):
    settings.API_RATE_PER_MINUTE = 1
    for credential in (
        ApiKey.issue(reader),
        ApiKey.issue(reader),
        ApplicationToken.issue(application),
        ApplicationToken.issue(application),
    ):
        assert statuses(bearer(credential), 2) == [200, 429]


def test_a_new_access_token_is_no_new_allowance(client, reader, bearer, settings):
    settings.API_RATE_PER_MINUTE = 2
    tokens = [login(client, reader)["accessToken"] for _ in range(3)]
    assert [bearer(token).get(PATH).status_code for token in tokens] == [200, 200, 429]


def login(client, user):
    body = {"username": user.username, "password": "correct horse battery"}
    return client.post("/api/users/login", body, content_type="application/json").json()


def test_a_refused_bearer_is_counted_for_nobody(api, bearer, settings):
    settings.API_RATE_PER_MINUTE = 1
    assert {bearer("0" * 64).get(PATH).status_code for _ in range(3)} == {401}
    assert statuses(api, 1) == [200]


def test_a_call_costs_no_query(api, settings, django_assert_num_queries):
    settings.API_RATE_PER_MINUTE = 100
    api.get(PATH)
    with django_assert_num_queries(1):  # the list
        api.get(PATH)


def test_a_new_window_drops_the_credentials_of_the_last_one():
    window = rate_limits.RateWindow(60, "API_RATE_PER_MINUTE")
    for number in range(1000):
        window.admit(f"apikey:{number}", time.time())
    window.admit("apikey:1", time.time() + 60)
    assert len(window.calls) == 1
