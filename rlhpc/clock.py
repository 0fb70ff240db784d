"""The time, as records have it."""

import datetime as dt


def utc_now() -> str:
    """Return the time in ISO 8601, UTC, to seconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
