"""Names of keys and headers whose values are secrets, and the kinds of these secrets."""

import re
from unicodedata import normalize

USER_KEYS = frozenset(
    ("user", "userid", "uid", "username", "usr", "login", "loginid", "loginname", "logon", "logonid")
)
PASSWORD_KEYS = frozenset(("password", "pwd", "pw", "passwd", "pass", "userpassword", "passwort", "kennwort"))
# Parts of names whose values are secrets without a field of their own, and what a refusal calls them. It does
# not quote the name, which may be a piece of a password that has `token=` in it. The first part that is found
# counts.
SECRET_PARTS = {
    "clientsecret": "a client secret",
    "clientassertion": "a client assertion",
    "apikey": "an API key",
    "accesstoken": "an access token",
    "accesskey": "an access key",
    "accountkey": "an account key",
    "subscriptionkey": "a subscription key",
    "sharedkey": "a shared key",
    "privatekey": "a private key",
    "encryptionkey": "an encryption key",
    **dict.fromkeys(("masterkey", "adminkey", "servicekey", "securitykey", "functionskey"), "a key"),
    **dict.fromkeys(("authkey", "appkey", "applicationkey", "userkey", "licensekey"), "a key"),
    **dict.fromkeys(("password", "passwd", "pswd", "pwd", "passwort", "kennwort"), "a password"),
    "passphrase": "a passphrase",
    "passcode": "a passcode",
    "passkey": "a key",
    "secret": "a secret",
    "token": "a token",
    "signature": "a signature",
    "credential": "a credential",
}
# The same for whole names.
SECRET_KEYS = {
    "sig": "a signature",
    "sas": "a signature",
    "hmac": "a signature",
    **dict.fromkeys(("auth", "xauth", "cred", "creds", "assertion"), "a credential"),
    **dict.fromkeys(("authorization", "proxyauthorization", "xauthorization"), "a credential"),
    **dict.fromkeys(("cookie", "cookie2", "setcookie"), "a cookie"),
    **dict.fromkeys(("sessionid", "jsessionid", "phpsessid"), "a session"),
    **dict.fromkeys(("userpass", "dbpass"), "a password"),
    "jwt": "a token",
    "bearer": "a token",
    "key": "a key",
    "psk": "a key",
    **dict.fromkeys(PASSWORD_KEYS, "a password"),
}
# Endings of names that describe a secret and have no secret as their value: `token_type`,
# `SharedAccessKeyName`.
ABOUT_SECRETS = (
    *("name", "type", "url", "uri", "endpoint", "expiry", "expires", "length", "timeout", "file", "path"),
)
# `db_pass`, `smtpPass` and `pass1`, but not `compass`.
PASS_AT_END = re.compile(r"(?:[\W_](?i:pass|pw)|(?<=[a-z0-9])P(?:ass|ASS|w|W)|^(?i:pass|pw))[0-9]*$")
BRACKETS = re.compile(r"[\[\]]+")


def kind_of_secret(name: str) -> str:
    """Return what kind of secret the value of a name is, with its article; "" if it is no secret.

    Each part of a name such as `auth[token]` counts as a name, and so does the whole.
    """
    parts = BRACKETS.split(name) if "[" in name or "]" in name else []
    return next(filter(None, map(kind_by_name, (name, *parts))), "")


def kind_by_name(name: str) -> str:
    """Do as `kind_of_secret` does, for a name without brackets."""
    key = normalized(name)
    if key.endswith(ABOUT_SECRETS):
        return ""
    if PASS_AT_END.search(name):
        return "a password"
    return SECRET_KEYS.get(key) or next((kind for part, kind in SECRET_PARTS.items() if part in key), "")


def normalized(name: str) -> str:
    """Return the form in which names are compared: `User ID`, `user_id` and `UserId` have the same one."""
    return "".join(filter(str.isalnum, normalize("NFKC", name))).lower()
