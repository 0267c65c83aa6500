"""The operator's command line: what each verb does stands in a file of its own; here they come together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from typer.core import TyperGroup

from services.hub import check, classify, commands, deadletters, erase, lag, spool, tail, topics, trace
from services.hub.desk import Desk
from services.hub.errors import HubError
from services.hub.settings import hub_settings, kafka_settings
from services.hub.verb import add, joined
from services.runtime.bus.connection import connection
from services.runtime.process.clock import SystemClock
from services.runtime.process.log import configure

HELP = """Look after the hub: see what is where, answer, and put right.

It ends with 0 when all is well, 1 when something was found wrong or refused, 2 when it was used wrongly, and 3 when
the broker, the bridge or the router does not answer.

Where these are is told by options, else by the environment, else by the file .run/environment that `make run` leaves
in the folder where it was started."""


class Verbs(TyperGroup):
    """Tells how a verb ended."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the click that typer holds is its own
        """Run a verb; a HubError becomes a line and an exit code."""
        try:
            return super().invoke(ctx)
        except HubError as error:
            typer.echo(f"hub: {error}", err=True)
            raise typer.Exit(error.code) from None


verbs = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@verbs.callback(help=joined(HELP))
def settle_in(
    context: typer.Context,
    bootstrap: Annotated[str | None, typer.Option(help="The broker [env: KAFKA_BOOTSTRAP].")] = None,
    bridge: Annotated[str | None, typer.Option(help="Base address of ingest [env: HUB_BRIDGE].")] = None,
    tenants: Annotated[Path | None, typer.Option(help="The tenants file [env: HUB_TENANTS].")] = None,
    wait: Annotated[float | None, typer.Option(help="Seconds to wait for an outcome [env: HUB_WAIT].", min=0)] = None,
) -> None:
    """Gather what every verb needs; a test brings its own."""
    if context.obj is None:
        settings = hub_settings(bridge=bridge, tenants=tenants, wait=wait)
        kafka = connection(kafka_settings(bootstrap=bootstrap))
        context.obj = Desk(settings, kafka, SystemClock(), chance=lambda: str(uuid4()))


add(verbs, "topics", topics.topics)
add(verbs, "lag", lag.lag)
add(verbs, "tail", tail.tail)
commands.add_all(verbs)
add(verbs, "erase", erase.erase)
add(verbs, "trace", trace.trace)
add(verbs, "check", check.check)
verbs.add_typer(deadletters.group, name="dead-letters")
verbs.add_typer(spool.group, name="spool")
add(verbs, "classify", classify.classify)


def app() -> None:
    """Run `hub`. What the libraries have to say is not for an operator: the verbs tell what matters."""
    configure("hub", "critical")
    verbs()


if __name__ == "__main__":
    app()
