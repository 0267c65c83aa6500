"""From rows to answers, as functions: what the API says of a municipality."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.insight.answers import Count, Department, FirstResponse
from services.insight.book import Book, Conversation, Stock
from services.insight.counts import Counts, quantile, total
from services.insight.figures import waited
from services.insight.views import day_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which counts are asked for; None leaves a choice open."""

    tenant: str
    year: int
    department: str | None = None
    channel: str | None = None
    by_day: bool = False

    def wants(self, stock: Stock) -> bool:
        """Say whether this department and channel are asked for."""
        return self.department in {None, stock.department} and self.channel in {None, stock.channel}


def departments(book: Book, tenant: str, now: datetime) -> list[Department]:
    """Return how each department stands."""
    theirs = [each for each in book.conversations() if each.tenant == tenant]
    known = {stock.department for stock in book.stocks(tenant)} | {each.row.department for each in theirs}
    return [
        _department(book, tenant, name, [e for e in theirs if e.row.department == name], now) for name in sorted(known)
    ]


def counts(book: Book, wanted: Wanted) -> list[Count]:
    """Return what was counted in a year, as a whole or by day."""
    stocks = [stock for stock in book.stocks(wanted.tenant) if wanted.wants(stock)]
    by_stock = ((stock, _days_of(book, stock, wanted.year)) for stock in stocks)
    return [count for stock, days in by_stock for count in _count(stock, days, wanted)]


def first_response(counts_: Counts) -> FirstResponse:
    """Return how long the first answer took."""
    median, p90 = quantile(counts_.waits, 0.5), quantile(counts_.waits, 0.9)
    return FirstResponse(count=counts_.first_answers, median_seconds=median, p90_seconds=p90)


def _department(book: Book, tenant: str, name: str, theirs: list[Conversation], now: datetime) -> Department:
    since = min((oldest for each in theirs if (oldest := each.row.oldest)), default=None)
    stocks = [stock for stock in book.stocks(tenant) if stock.department == name]
    today = total(found for stock in stocks if (found := book.on(day_of(now), stock)))
    return Department(
        department=name,
        open_conversations=len(theirs),
        unanswered_messages=sum(each.row.unanswered for each in theirs),
        claimed_conversations=sum(each.row.claimed for each in theirs),
        oldest_unanswered_since=since,
        oldest_unanswered_seconds=waited(since, now),
        first_response_today=first_response(today),
    )


def _days_of(book: Book, stock: Stock, year: int) -> list[tuple[date, Counts]]:
    found = ((day, book.on(day, stock)) for day in _days(year))
    return [(day, counted) for day, counted in found if counted]


def _count(stock: Stock, days: list[tuple[date, Counts]], wanted: Wanted) -> Iterable[Count]:
    if wanted.by_day:
        return [_row(stock, wanted.year, day, counted) for day, counted in days]
    return [_row(stock, wanted.year, None, total(counted for _, counted in days))] if days else []


def _row(stock: Stock, year: int, day: date | None, counted: Counts) -> Count:
    numbers = counted.model_dump(exclude={"waits", "waited_ms"})
    return Count(
        department=stock.department,
        channel=stock.channel,
        year=year,
        date=day,
        first_response=first_response(counted),
        **numbers,
    )


def _days(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += timedelta(days=1)
