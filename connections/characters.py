"""Blanks and invisible characters, which a paste may add to a text."""

from unicodedata import category

CONTROLS = frozenset(map(chr, [*range(0x20), 0x7F]))
# Letters and marks without a visible shape (Unicode: Default_Ignorable_Code_Point), and the blank pattern of
# Braille.
IGNORABLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)


def is_invisible(character: str) -> bool:
    """Return whether a non-ASCII character looks like a blank or like nothing, as a zero-width space does."""
    return not character.isascii() and (character in IGNORABLE or category(character)[0] in "CZ")


def is_blank(character: str) -> bool:
    return character == " " or character in CONTROLS or is_invisible(character)


def trim(text: str) -> str:
    """Return `text` without blanks, control characters and invisible characters at both ends."""
    begin, end = 0, len(text)
    while begin < end and is_blank(text[begin]):
        begin += 1
    while end > begin and is_blank(text[end - 1]):
        end -= 1
    return text[begin:end]
