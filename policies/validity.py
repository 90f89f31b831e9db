"""How long evidence and statements may hold, and how far their clock may be ahead of ours: the same for all of them."""

from __future__ import annotations

from datetime import datetime, timedelta

__all__ = ["CLOCK_SKEW", "MAXIMUM_AGE", "MAXIMUM_LIFE", "fault", "instant"]

MAXIMUM_LIFE = timedelta(days=366)
MAXIMUM_AGE = timedelta(days=31)
"""Of a plan record or a member report: monthly, as continuous monitoring asks (NIST SP 800-137, FedRAMP ConMon)."""
CLOCK_SKEW = timedelta(minutes=5)


def instant(text: object) -> datetime:
    """A time with its offset from UTC, from ISO 8601.

    Raises:
        ValueError: it is none, or says no offset: whose hour it is would be a guess.
    """
    found = datetime.fromisoformat(text) if isinstance(text, str) else None
    if found is None or found.tzinfo is None:
        raise ValueError(f"{text!r} is not a time with its offset from UTC")
    return found


def fault(at: datetime, now: datetime, maximum: timedelta | None = MAXIMUM_AGE) -> str:
    """Why evidence of `at` does not count `now`; empty if it does. Without a maximum, only the future is at fault."""
    if at > now + CLOCK_SKEW:
        return f"is dated {at.isoformat()}, after now ({now.isoformat(timespec='seconds')}): compare the clocks"
    if maximum is not None and at < now - maximum:
        hours = maximum / timedelta(hours=1)
        return f"is of {at.isoformat()}, older than {f'{hours:.0f} hours' if hours < 48 else f'{maximum.days} days'}"
    return ""
