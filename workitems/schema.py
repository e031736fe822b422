"""The OpenAPI description of the two endpoints. Its examples are those of pm415's documentation."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers

from core.api.schema import ErrorSerializer, RegistrySchema
from workitems.errors import shape
from workitems.item_types import ITEM_TYPES, ITEM_TYPES_BY_NAME
from workitems.serializers import LinkSerializer

BODY = {"items": [], "initiatives": [28], "bugs": [], "backlogs": [], "delete": False}
ANSWER = {
    "success": True,
    "connections": [
        {"id": 7, "initiativeId": 28, "backlogId": None, "itemId": None, "bugId": 6},
        {"id": 8, "initiativeId": None, "backlogId": None, "itemId": 52, "bugId": 6},
    ],
    "info": [
        {
            "assignee": None,
            "organizationId": 17,
            "id": 52,
            "title": "abc",
            "description": "Description",
            "statusId": 3,
            "points": 0,
            "createdBy": 13,
            "forecastedRelease": None,
            "actualRelease": None,
            "plannedOn": None,
            "ownerId": 19,
            "ownerTable": "backlogs",
            "mailers": "!hwyxlisjb@emlpro.com!",
            "orderIndex": 2,
            "archived": 0,
        }
    ],
}

CREATE = """\
Links one record to others of other kinds, or removes such links. A link joins two records, has no direction \
and is seen from both.

- `delete: false` adds links to every listed record; what is linked already stays as it is.
- `delete: true` removes the links to the listed records; one that is not there is no error.

**Four empty lists remove every link of the record, whatever `delete` says.**

All or nothing: one bad id, and nothing changes. Both records must belong to one organization, \
and the caller to its members,
whatever the caller's role in the registry is.
"""
SHOW = """\
Lists every link of one record, of every kind, by id; `info` holds the full records of one kind \
that these links lead to.

A record that has no link, does not exist or belongs to an organization that the caller is no member of \
answers two empty lists.
"""
ERRORS = {
    "400": "The body is not well-formed or lacks a key, or lists the record's own kind.",
    "401": "No bearer, or one that is malformed, expired, revoked or of the wrong kind.",
    "403": "The user is inactive.",
    "404": "No such kind, or no such record that the caller may see; an id that stands in a list twice.",
    "413": "The body is too large.",
    "429": "Too many calls; `Retry-After` says when to come back.",
    "500": "A bug; the message has the request id.",
    "503": "The database cannot be reached; `Retry-After` says when to come back.",
}


@extend_schema_serializer(examples=[OpenApiExample("Not found", shape(404, "not found items."))])
class WorkItemErrorSerializer(serializers.Serializer[Any]):
    statusCode = serializers.IntegerField()
    error = serializers.CharField(help_text="The name of the status.")
    message = serializers.CharField()
    success = serializers.BooleanField(help_text="Always false.")


class WorkItemSchema(RegistrySchema):
    """Describes pm415's errors in place of the registry's."""

    error_serializer = WorkItemErrorSerializer

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Let 404 have either shape: a path that no route matches is answered in the registry's."""
        bodies = super()._get_response_bodies(*args, **kwargs)
        registry = self._get_response_for_code(ErrorSerializer, "404")["content"]["application/json"]
        answer = bodies["404"]["content"]["application/json"]
        answer["schema"] = {"anyOf": [answer["schema"], registry["schema"]]}
        return bodies

    @property
    def errors(self) -> dict[str, str]:
        return {
            status: text
            for status, text in ERRORS.items()
            if self.method == "POST" or status not in ("400", "413")
        }


@extend_schema_field(
    {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "string", "pattern": "^[0-9]+$"}]}
)
class IdField(serializers.Field[Any, Any, Any, Any]):
    """An id, as a number or as a text of digits."""


@extend_schema_field({"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["true", "false"]}]})
class BooleanOrTextField(serializers.Field[Any, Any, Any, Any]):
    """True or false, or the text of either in any letter case."""


class ChangeBodySerializer(serializers.Serializer[Any]):
    """All five keys are needed, and nothing else is taken."""

    items = serializers.ListField(child=IdField())
    initiatives = serializers.ListField(child=IdField())
    bugs = serializers.ListField(child=IdField())
    backlogs = serializers.ListField(child=IdField())
    delete = BooleanOrTextField()


class ChangeAnswerSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="WorkItem",
        serializers=[item_type.serializer for item_type in ITEM_TYPES],
        resource_type_field_name=None,
        many=True,
    )
)
class WorkItemsField(serializers.Field[Any, Any, Any, Any]):
    """Full records of one kind."""


class ShowAnswerSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    connections = LinkSerializer(many=True)
    info = WorkItemsField()


def item_type_parameter(name: str, meaning: str) -> OpenApiParameter:
    """Return a path parameter that takes the name of an item type."""
    return OpenApiParameter(
        name,
        str,
        OpenApiParameter.PATH,
        enum=list(ITEM_TYPES_BY_NAME),
        description=f"{meaning} In any letter case.",
    )


OWNER = item_type_parameter("owner", "The kind of the record.")
INFO = item_type_parameter("info", "The kind whose records fill `info`.")
ID = OpenApiParameter("id", OpenApiTypes.INT64, OpenApiParameter.PATH, description="The id of the record.")
TAGS = ["work items"]

describe_change = extend_schema(
    operation_id="links_change",
    summary="Link a record to others, or remove such links",
    tags=TAGS,
    description=CREATE,
    parameters=[OWNER, ID],
    request=ChangeBodySerializer,
    responses={200: ChangeAnswerSerializer},
    examples=[
        OpenApiExample("Link to an initiative", BODY, request_only=True),
        OpenApiExample("Done", {"success": True}, response_only=True, status_codes=["200"]),
    ],
)
describe_show = extend_schema(
    operation_id="links_show",
    summary="Show the links of a record",
    tags=TAGS,
    description=SHOW,
    parameters=[OWNER, INFO, ID],
    responses={200: ShowAnswerSerializer},
    examples=[
        OpenApiExample("The links of a bug, with its items", ANSWER, response_only=True, status_codes=["200"])
    ],
)


def finish(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add what serializers cannot declare.

    The body takes no other key. A record may match the schemas of several types, so `oneOf` would reject it.
    """
    schemas = result["components"]["schemas"]
    schemas["ChangeBody"]["additionalProperties"] = False
    schemas["WorkItem"]["anyOf"] = schemas["WorkItem"].pop("oneOf")
    return result
