"""``wharfinger cluster``: which clusters there are, how each is reached and kept, and which one goes.

Workers follow within seconds, without a restart.
"""

from collections.abc import Sequence
from typing import Any

import click

from service.admin.probe import probe
from service.admin.quota_command import PLATFORM
from service.admin.survey import survey
from service.domain.cluster import Mode, OnDrift
from service.domain.ports import Pool
from service.settings import read_settings
from service.store.identities import Cluster
from service.workflow import remove_cluster as removal
from service.workflow.act import Act
from service.workflow.administer import put_cluster


class PoolOption(click.ParamType[Pool]):
    """A node port range."""

    name = "first-last"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Pool:
        """Return it."""
        if isinstance(value, Pool):
            return value
        try:
            return Pool.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class LabelOption(click.ParamType[tuple[str, str]]):
    """A label, key=value."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return both."""
        if isinstance(value, tuple):
            return value
        key, separator, text = value.partition("=")
        if not separator:
            self.fail(f"{value!r} is not written KEY=VALUE", param, ctx)
        return key, text


@click.group()
def cluster() -> None:
    """The clusters whose Services are kept true."""


@cluster.command("add")
@click.argument("name")
@click.option("--context", help="The context in the worker's kubeconfig; its current one when left out.")
@click.option("--in-cluster", is_flag=True, help="Reach it with the credentials of the worker's own Pod.")
@click.option(
    "--node-ports", type=PoolOption(), help=f"The cluster's --service-node-port-range.  [default: {Pool()}]"
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="What the worker may write.  [default: sync]",
)
@click.option(
    "--drift",
    type=click.Choice([what.value for what in OnDrift]),
    help="What becomes of a change by hand.  [default: heal]",
)
@click.option(
    "--removal-share",
    type=float,
    help="Above which share of our Services there removals that nobody decided stop and ask.  [default: 0.2]",
)
@click.option("--owner-id", help="Whose marks are this installation's.  [default: wharfinger]")
@click.option(
    "--label", "labels", type=LabelOption(), multiple=True, help="Takes the place of all labels. Repeatable."
)
def add_cluster(name: str, node_ports: Pool | None, labels: Sequence[tuple[str, str]], **given: Any) -> None:
    """Add a cluster. Of one that is there only what is named changes; one that was removed comes back."""
    from service.wiring import admin_transactions, now

    if given["context"] is not None and given["in_cluster"]:
        raise click.UsageError("Name either --context or --in-cluster.")
    settings = {option: value for option, value in given.items() if value is not None and value is not False}
    named = set(settings)
    if named & {"context", "in_cluster"}:
        named |= {"context", "in_cluster"}  # the one takes the place of the other
    if node_ports is not None:
        named |= {"first_port", "last_port"}
    if labels:
        named.add("labels")
    settings |= {"mode": Mode(given["mode"] or Mode.SYNC), "drift": OnDrift(given["drift"] or OnDrift.HEAL)}
    context = settings.pop("context", None)
    wanted = Cluster(name, context, node_ports or Pool(), labels=dict(labels), **settings)
    with admin_transactions(read_settings())() as session:
        found = put_cluster(session, wanted, now(), named)
    click.echo(f"Cluster {name} gives out node ports {found.pool}.", err=True)


@cluster.command("list")
def list_clusters() -> None:
    """Print each cluster: name, node ports, context, mode, drift, owner id, labels, removal share."""
    from service.store import identities
    from service.wiring import admin_transactions

    with admin_transactions(read_settings())() as session:
        clusters = identities.clusters(session)
    if not clusters:
        click.echo("There is no cluster yet: wharfinger cluster add NAME", err=True)
    for found in clusters:
        way = "(in-cluster)" if found.in_cluster else found.context or "(current context)"
        labels = ",".join(f"{key}={value}" for key, value in sorted(found.labels.items())) or "-"
        said = (found.mode, found.drift, found.owner_id, labels, f"{found.removal_share:g}")
        columns = (found.name, str(found.pool), way, *said)
        click.echo("\t".join(columns))


@cluster.command("remove")
@click.argument("name")
@click.option("--abandon", is_flag=True, help="End what lives there, and leave its Services where they are.")
def remove_cluster(name: str, abandon: bool) -> None:
    """Take a cluster out of the ledger; nothing is deleted in the cluster itself.

    It is refused, with a list, while exposures have not ended. What is abandoned is printed.
    """
    from service.wiring import admin_transactions

    with admin_transactions(read_settings())() as session:
        left = removal.remove_cluster(session, name, abandon, _act("remove"))
    for use in left.abandoned:
        click.echo(removal.line_of(use))
    if left.unread:
        click.echo(f"Requests to adopt are refused, unread: {', '.join(left.unread)}.", err=True)
    if left.abandoned:
        click.echo("Abandoned: their Services are still in the cluster. Nothing was deleted there.", err=True)
    click.echo(
        f"Cluster {name} is out of the ledger. wharfinger cluster add {name} brings it back.", err=True
    )


@cluster.command("release-brake")
@click.argument("name")
def release_brake(name: str) -> None:
    """Let removals go on that stopped because they were too many at once."""
    from service.wiring import admin_transactions

    with admin_transactions(read_settings())() as session:
        removal.release_brake(session, name, _act("release-brake"))
    click.echo(f"Cluster {name}: the removals that wait go on.", err=True)


@cluster.command("accept-ledger")
@click.argument("name")
def accept_ledger(name: str) -> None:
    """Let the worker write in a cluster that another ledger, or a newer state of this one, has written in."""
    from service.wiring import admin_transactions

    with admin_transactions(read_settings())() as session:
        removal.accept_ledger(session, name, _act("accept-ledger"))
    click.echo(f"Cluster {name}: from now on it belongs to this ledger.", err=True)


def _act(command: str) -> Act:
    from service.wiring import now

    return Act(PLATFORM, now(), f"wharfinger cluster {command}")


cluster.add_command(probe)
cluster.add_command(survey)
