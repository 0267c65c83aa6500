"""The account at the end of the story: what became of every message, and whether it all holds."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from demo.watch import Seen
from services.hub.account import Account
from services.hub.invariants import Check, Finding
from services.runtime.process.tenants import Tenants


class Books:
    """What was seen, added up."""

    def __init__(self, seen: Iterable[Seen], tenants: Tenants) -> None:
        self._titles = {tenant.oin: tenant.title for tenant in tenants.tenants}
        self._check = Check({tenant.oin: tenant.name for tenant in tenants.tenants})
        for each in seen:
            self._check.feed(each.topic, each.partition, each.offset, each.event)

    def unsettled(self) -> bool:
        """Say whether something is still on its way."""
        return any(self._check.pending().values())

    def findings(self) -> list[Finding]:
        """Return what does not hold."""
        return self._check.findings()

    def table(self) -> Table:
        """Return the account, drawn."""
        table = Table(title="De rekening: waar elk bericht is gebleven")
        table.add_column("gemeente")
        for column in (
            "ontvangen",
            "beantwoord",
            "open",
            "gesloten",
            "geen antwoord nodig",
            "naar mensen",
            "verplaatst",
        ):
            table.add_column(column, justify="right")
        table.add_column("antwoorden")
        for account in self._check.account():
            table.add_row(*self._row(account))
        return table

    def _row(self, account: Account) -> tuple[str, ...]:
        numbers = (
            account.received,
            account.answered,
            account.open,
            sum(account.closed.values()),
            account.needing_none,
            account.peoples,
            account.moved,
        )
        replies = ", ".join(f"{count} {status}" for status, count in account.replies.items())
        refused = f", {account.refused} refused" if account.refused else ""
        return (self._titles.get(account.tenant, account.tenant), *map(str, numbers), replies + refused)
