"""Calls a running registry with a client that was made from its OpenAPI description.

Usage: client.py BASE PASSWORD.
"""

import json
import sys

from registry_client import AuthenticatedClient, Client
from registry_client.api.connections import connections_list, connections_retrieve
from registry_client.api.token import token, token_refresh, token_verify
from registry_client.api.users import login, refresh
from registry_client.api.work_items import links_show
from registry_client.models import (
    Connection,
    Error,
    Login,
    LoginAnswer,
    RefreshBody,
    TokenPairAnswer,
    VerifyBody,
)

base, password = sys.argv[1:]
anyone = Client(base_url=base)
logged_in = login.sync(client=anyone, body=Login(username="admin", password=password))
assert isinstance(logged_in, LoginAnswer)
client = AuthenticatedClient(base_url=base, token=logged_in.access_token)

listed = connections_list.sync(client=client, limit=2, orderby="-id", status=["[not]9"])
assert isinstance(listed, list)
shown = connections_retrieve.sync(listed[0].id, client=client)
assert isinstance(shown, Connection)
counted = connections_list.sync(client=client, count_only=True)
refused = connections_list.sync(client=client, limit=0)
assert isinstance(refused, Error)
pair = token.sync(client=anyone, body=Login(username="admin", password=password))
assert isinstance(pair, TokenPairAnswer)
renewed = token_refresh.sync(client=anyone, body=RefreshBody(refresh=pair.refresh))
verified = token_verify.sync_detailed(client=anyone, body=VerifyBody(token=renewed.access))
again = refresh.sync(client=AuthenticatedClient(base_url=base, token=logged_in.refresh_token))
links = links_show.sync("bugs", "items", 1, client=client)

print(
    json.dumps(
        {
            "listed": len(listed),
            "same": shown.name == listed[0].name,
            "count": counted.count,
            "refused": refused.msg,
            "missing": connections_retrieve.sync_detailed(999_999, client=client).status_code,
            "renewed": bool(again.access_token),
            "verified": verified.status_code,
            "links": links.success,
        }
    )
)
