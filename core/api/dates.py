"""Dates and times as ItemPath's clients write them, in filters and in imported records."""

import re
from datetime import UTC, datetime, time, timedelta, timezone

from dateutil.relativedelta import relativedelta

# In a URL an unescaped `+` becomes a blank, so a blank before the offset means `+`.
# .NET writes seven decimals. Six are read, as both databases store microseconds.
FORM = re.compile(
    r"(\d{4})-(\d\d)(?:-(\d\d)"
    r"(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?)?(Z|[+\- ]\d\d(?::?\d\d)?)?)?)?",
    re.ASCII,
)
AGO = {
    "now": relativedelta(),
    "lastday": relativedelta(days=1),
    "lastweek": relativedelta(weeks=1),
    "lastmonth": relativedelta(months=1),
    "lastyear": relativedelta(years=1),
}
DAYS = ("today", "yesterday")
ACCEPTED = (
    "Takes a date like 2026-05-01, 2026-05-01T13:30:00.602998 or 2026-05-01T13:30+02:00, "
    "or now, today, yesterday, lastDay, lastWeek, lastMonth or lastYear"
)


def parse_moment(text: str, now: datetime | None = None) -> datetime:
    """Return the moment that `text` names, in UTC. A missing day is 1, any other missing part is 0.

    Raises `ValueError` for anything else, and for a moment outside the years 1 to 9999 in UTC.
    """
    now = now or datetime.now(UTC)
    word = text.lower()
    if word in AGO:
        return now - AGO[word]
    if word in DAYS:
        return datetime.combine(now.date(), time(), UTC) - timedelta(days=word == "yesterday")
    return parse_form(text)


def is_relative_date(text: str) -> bool:
    """Return whether `text` contains a relative date such as `today`, whose meaning changes with time."""
    return any(word in text.lower() for word in (*AGO, *DAYS))


def parse_form(text: str) -> datetime:
    match = FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no date")
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    zone = timezone(parse_offset(offset))
    moment = datetime(
        year,
        month,
        day or (1 if parts[2] is None else 0),
        hour,
        minute,
        second,
        int((fraction or "").ljust(6, "0")),
        zone,
    )
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is outside the years 1 to 9999") from error


def parse_offset(offset: str | None) -> timedelta:
    if offset is None or offset == "Z":
        return timedelta()
    digits = offset[1:].replace(":", "").ljust(4, "0")
    if digits[2:] > "59":
        raise ValueError(f"{offset!r} is no offset")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -distance if offset[0] == "-" else distance
