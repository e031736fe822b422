"""Functions on the text of an address, which all grammars use."""

import re
from urllib.parse import unquote_to_bytes

from connections.characters import trim

# Some clients remove these characters before they read an address, and others stop reading there.
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What a client may read as `@`: the sign itself, and its full-width and small forms.
AT_SIGNS = re.compile("[@\uff20\ufe6b]")


def tidy(text: str) -> str:
    """Return `text` without control characters, and without blanks and invisible characters at both ends."""
    return CONTROL.sub("", trim(text))


def has_control_character(text: str) -> bool:
    """Return whether `text` has a control character that is not at one of its ends."""
    return CONTROL.search(trim(text)) is not None


def has_at_sign(text: str) -> bool:
    return AT_SIGNS.search(text) is not None


def decoded(text: str) -> str:
    """Return `text` with its percent signs decoded, as UTF-8 or else as Latin-1, which old clients write."""
    if "%" not in text:
        return text
    raw = unquote_to_bytes(text)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def unquoted(text: str) -> str:
    """Return `text` without the double quotes around it, if there are any."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
