"""pm415's two endpoints: https://github.com/mreider/pm415-docs has their page."""

from typing import Any, cast

from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from workitems.authentication import MemberAuthentication
from workitems.errors import exception_handler
from workitems.item_types import find_item_type
from workitems.link_commands import LinkChange, parse_id
from workitems.queries import read_links
from workitems.schema import WorkItemSchema, describe_change, describe_show


class WorkItemView(APIView):
    """Open to members of organisations, whatever their role in the registry."""

    authentication_classes = (MemberAuthentication,)
    permission_classes = (IsAuthenticated,)
    schema = WorkItemSchema()

    def get_exception_handler(self) -> Any:
        return exception_handler


class ChangeLinks(WorkItemView):
    @describe_change
    def post(self, request: Request, owner: str, id: str) -> Response:
        order = LinkChange.read(request._request.body)
        kind, pk = find_item_type(owner), parse_id(id)
        if kind is None or pk is None:
            raise NotFound(f"not found this {owner}.")
        order.carry_out(cast("User", request.user), kind, pk, spelling=owner)
        return Response({"success": True})


class ShowLinks(WorkItemView):
    @describe_show
    def get(self, request: Request, owner: str, info: str, id: str) -> Response:
        kind, wanted = find_item_type(owner), find_item_type(info)
        if kind is None or wanted is None:
            raise NotFound("not found this connections.")
        pk = parse_id(id)
        connections, records = read_links(cast("User", request.user), kind, wanted, pk) if pk else ([], [])
        return Response({"success": True, "connections": connections, "info": records})
