"""The command line's entry: ``wharfinger COMMAND``. Each command imports the heavy rooms that it needs."""

import sys

import click
from environs import EnvError

from service.admin import commands
from service.admin.audit_command import audit
from service.admin.cluster_command import cluster
from service.admin.quota_command import quota
from service.domain.errors import WharfingerError
from service.settings import read_settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="wharfinger", prog_name="wharfinger")
def cli() -> None:
    """Self-service exposure for Kubernetes: requests, approvals, a ledger of node ports that is kept true.

    Settings come from WHARFINGER_… variables; WHARFINGER_DATABASE_URL names the database.
    """


@cli.command()
def api() -> None:
    """Answer HTTP at WHARFINGER_BIND (127.0.0.1:8080)."""
    from service.wiring import run_api

    run_api(read_settings())


@cli.command()
def worker() -> None:
    """Keep the clusters true, until SIGTERM or Ctrl-C."""
    from service.wiring import run_worker

    sys.exit(run_worker(read_settings()))


for command in (commands.migrate, commands.token, cluster, commands.team, audit, commands.dev):
    cli.add_command(command)
commands.team.add_command(quota)


def main() -> None:
    """Run the command; what went wrong on purpose is one line on stderr, without a traceback."""
    try:
        cli(prog_name="wharfinger")
    except (WharfingerError, EnvError) as error:
        sys.stderr.write(f"wharfinger: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
