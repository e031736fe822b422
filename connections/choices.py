"""The types and authentications of ItemPath's menus, spelt as they are displayed."""

from django.db.models import TextChoices


class ConnectionType(TextChoices):
    MSSQL = "MSSQL", "MSSQL"
    DB2 = "IBM DB2", "IBM DB2"
    POSTGRESQL = "PostgreSQL", "PostgreSQL"
    MYSQL = "MySQL", "MySQL"
    ORACLE = "Oracle", "Oracle"
    REST = "REST", "REST"
    GRAPHQL = "GraphQL", "GraphQL"
    PLC = "PLC", "PLC"
    SFTP = "SFTP", "SFTP"
    FTP = "FTP", "FTP"
    MQTT = "MQTT", "MQTT"
    AMQP = "AMQP", "AMQP"
    SMTP = "SMTP", "SMTP"


class Authentication(TextChoices):
    NONE = "No Authentication", "No Authentication"
    BASIC = "Basic Authentication", "Basic Authentication"
    BEARER = "Bearer Token", "Bearer Token"
    API_KEY = "API Key", "API Key"
    HMAC = "HMAC Authentication", "HMAC Authentication"
    OAUTH2 = "OAuth2 Client Credentials", "OAuth2 Client Credentials"
    DIGEST = "Digest Authentication", "Digest Authentication"
    PRIVATE_KEY = "Private Key", "Private Key"


DATABASES = (
    ConnectionType.MSSQL,
    ConnectionType.DB2,
    ConnectionType.POSTGRESQL,
    ConnectionType.MYSQL,
    ConnectionType.ORACLE,
)
HTTP = (ConnectionType.REST, ConnectionType.GRAPHQL)

HTTP_AUTHENTICATIONS = tuple(each for each in Authentication if each is not Authentication.PRIVATE_KEY)
PLAIN_AUTHENTICATIONS = (Authentication.NONE, Authentication.BASIC)

# How each authentication uses the user name and the secrets, for the people who enter them.
GUIDES = {
    Authentication.NONE: "No secret is sent.",
    Authentication.BASIC: "The user name and the password.",
    Authentication.DIGEST: "The user name and the password.",
    Authentication.BEARER: "The token is sent as the bearer.",
    Authentication.API_KEY: "The token is the key's value; the header's name stands beside it.",
    Authentication.HMAC: "The user name is the key id; the token is the secret that signs.",
    Authentication.OAUTH2: (
        "The user name is the client id; the token is the client secret. Both go to the token URL."
    ),
    Authentication.PRIVATE_KEY: "The user name and the private key; the password, if any, opens the key.",
}


def authentications_of(type: str) -> tuple[Authentication, ...]:
    """Return the authentications that a connection of `type` can use; all for a type without a menu entry."""
    if type in HTTP:
        return HTTP_AUTHENTICATIONS
    if type in (ConnectionType.SFTP,):
        return (*PLAIN_AUTHENTICATIONS, Authentication.PRIVATE_KEY)
    return PLAIN_AUTHENTICATIONS if type in ConnectionType.values else tuple(Authentication)
