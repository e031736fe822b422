"""The two endpoints of pm415, as documented at https://github.com/mreider/pm415-docs."""

from typing import Any, cast

from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from core.api.rows import RowDict
from workitems.authentication import MemberAuthentication
from workitems.errors import exception_handler
from workitems.item_types import find_item_type
from workitems.link_commands import LinkChange, parse_id
from workitems.queries import read_links
from workitems.schema import WorkItemSchema, describe_change, describe_show


class WorkItemView(APIView):
    """A view for members of organizations. Their role in the registry does not matter."""

    authentication_classes = (MemberAuthentication,)
    permission_classes = (IsAuthenticated,)
    schema = WorkItemSchema()

    def get_exception_handler(self) -> Any:
        return exception_handler


class ChangeLinks(WorkItemView):
    @describe_change
    def post(self, request: Request, owner: str, id: str) -> Response:
        change = LinkChange.parse(request._request.body)
        item_type, pk = find_item_type(owner), parse_id(id)
        if item_type is None or pk is None:
            raise NotFound(f"not found this {owner}.")
        change.apply(cast("User", request.user), item_type, pk, spelling=owner)
        return Response({"success": True})


class ShowLinks(WorkItemView):
    @describe_show
    def get(self, request: Request, owner: str, info: str, id: str) -> Response:
        item_type, wanted = find_item_type(owner), find_item_type(info)
        if item_type is None or wanted is None:
            raise NotFound("not found this connections.")
        connections: list[RowDict] = []
        records: list[RowDict] = []
        if pk := parse_id(id):
            connections, records = read_links(cast("User", request.user), item_type, wanted, pk)
        return Response({"success": True, "connections": connections, "info": records})
