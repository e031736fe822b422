"""Arguments in the spelling of other products: `lastCheck__gt`, `id[in][0]`, `status!`, `page[size]`.

Without a word they would filter nothing, and the client would take the whole list for what it asked for.
"""

import re
from collections.abc import Mapping

# The letters and digits that a spelling begins with.
HEAD = re.compile(r"[^\W_]+")
WORD = re.compile(r"[^\W_]+|!|\[\]|[<>]=?")

# How other products call an operator, and how it is written here.
EQUAL, UNEQUAL, ANY, NONE, LIKE, UNLIKE = "[eq]…", "[not]…", "[or]…;…", "[nor]…;…", "[like]…", "[notlike]…"
OPERATORS = {
    **dict.fromkeys(("eq", "equals", "exact", "iexact", "is"), EQUAL),
    **dict.fromkeys(("not", "ne", "neq", "!", "exclude"), UNEQUAL),
    **dict.fromkeys(("or", "in", "any", "[]"), ANY),
    **dict.fromkeys(("nor", "nin", "notin", "none"), NONE),
    **dict.fromkeys(("like", "ilike", "contains", "icontains", "search", "startswith", "endswith"), LIKE),
    **dict.fromkeys(("notlike", "nlike", "notcontains"), UNLIKE),
    **dict.fromkeys(("gt", "greaterthan", ">"), "[gt]…"),
    **dict.fromkeys(("lt", "lessthan", "<"), "[lt]…"),
    **dict.fromkeys(("gte", "ge", "after", "from", "since", "min", ">="), "[gte]…"),
    **dict.fromkeys(("lte", "le", "before", "to", "until", "max", "<="), "[lte]…"),
    **dict.fromkeys(("isnull", "null"), "null"),
}
NEGATED = {EQUAL: UNEQUAL, ANY: NONE, LIKE: UNLIKE}
RANGE = frozenset(("between", "range"))
ROWS_OF_A_PAGE = frozenset(("size", "limit", "length", "count"))


def known_name(spelling: str, known: Mapping[str, str]) -> str:
    """Return the known argument that `spelling` begins with, before a sign; "" for another name.

    `known` are the arguments of the call by their folded names.
    """
    head = HEAD.match(spelling)
    return known.get(head[0].lower(), "") if head else ""


def correct(spelling: str, name: str, *, is_control: bool) -> str:
    """Return the sentence that shows how to write the argument `name`, which was spelt in another way."""
    words = WORD.findall(with_equals(spelling[len(name) :].lower()))
    if is_control:
        return correct_control(name, words)
    if RANGE & set(words):
        return f"Write {name}=[gte]… and {name}=[lte]…: an operator stands before the value."
    operator = operator_of(words)
    return (
        f"Write {name}={operator}: an operator stands before the value."
        if operator
        else f"Write {name}=… or {name}={EQUAL}."
    )


def with_equals(tail: str) -> str:
    """Return the tail of a name with the `=` of `name>=value`, at which a query is split."""
    return f"{tail}=" if tail.endswith((">", "<")) else tail


def operator_of(words: list[str]) -> str:
    """Return the operator that the first known word stands for; `not` in front or behind negates it."""
    found = [OPERATORS[word] for word in words if word in OPERATORS]
    others = [operator for operator in found if operator != UNEQUAL]
    if UNEQUAL in found and others:
        return NEGATED.get(others[0], others[0])
    return found[0] if found else ""


def correct_control(name: str, words: list[str]) -> str:
    if name == "page" and ROWS_OF_A_PAGE & set(words):
        return "Write limit=… for the rows of a page, and page=… for which of them, counted from 0."
    if name == "page" and "offset" in words:
        return "Write offset=… for the rows to leave out, and limit=… for the rows of a page."
    if name == "page":
        return "Write page=…, counted from 0."
    return f"Write {name}=…, several split by commas." if name == "orderby" else f"Write {name}=…."
