"""Arguments that are spelt as other products spell them: `lastCheck__gt`, `id[in][0]`, `status!`, `page[size]`.

Without a word they would filter nothing, and the client would take the whole list for what it asked for.
"""

import re
from collections.abc import Mapping

# The letters and digits that a spelling begins with.
HEAD = re.compile(r"[^\W_]+")
WORD = re.compile(r"[^\W_]+|!|\[\]")

# How other products call an operator, and how it is written here.
EQUAL, UNEQUAL, ANY, NONE, LIKE, UNLIKE = "[eq]…", "[not]…", "[or]…;…", "[nor]…;…", "[like]…", "[notlike]…"
OPERATORS = {
    **dict.fromkeys(("eq", "equals", "exact", "iexact", "is"), EQUAL),
    **dict.fromkeys(("not", "ne", "neq", "!", "exclude"), UNEQUAL),
    **dict.fromkeys(("or", "in", "any", "[]"), ANY),
    **dict.fromkeys(("nor", "nin", "notin", "none"), NONE),
    **dict.fromkeys(("like", "ilike", "contains", "icontains", "search", "startswith", "endswith"), LIKE),
    **dict.fromkeys(("notlike", "nlike", "notcontains"), UNLIKE),
    **dict.fromkeys(("gt", "greaterthan"), "[gt]…"),
    **dict.fromkeys(("lt", "lessthan"), "[lt]…"),
    **dict.fromkeys(("gte", "ge", "after", "from", "since", "min"), "[gte]…"),
    **dict.fromkeys(("lte", "le", "before", "to", "until", "max"), "[lte]…"),
    **dict.fromkeys(("isnull", "null"), "null"),
}
ROWS_OF_A_PAGE = frozenset(("size", "limit", "length", "count"))


def known_name(spelling: str, known: Mapping[str, str]) -> str:
    """Return the known argument that `spelling` begins with, before a sign; "" for another name.

    `known` are the arguments of the call by their folded names.
    """
    head = HEAD.match(spelling)
    return known.get(head[0].lower(), "") if head else ""


def correct(spelling: str, name: str, *, is_control: bool) -> str:
    """Return the sentence that shows how to write the argument `name`, which was spelt in another way."""
    words = WORD.findall(spelling[len(name) :].lower())
    if is_control:
        return correct_control(name, words)
    operator = next((OPERATORS[word] for word in words if word in OPERATORS), "")
    return (
        f"Write {name}={operator}: an operator stands before the value."
        if operator
        else f"Write {name}=… or {name}={EQUAL}."
    )


def correct_control(name: str, words: list[str]) -> str:
    if name == "page" and ROWS_OF_A_PAGE & set(words):
        return "Write limit=… for the rows of a page, and page=… for which of them, counted from 0."
    return f"Write {name}=…, several split by commas." if name == "orderby" else f"Write {name}=…."
