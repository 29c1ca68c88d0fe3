"""``wharfinger audit``: whether what is kept is what was written, in the database or in a file.

What is wrong goes to stdout, a line each; how far it is, and what a good answer is worth, to stderr.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from service.domain.errors import Fault, Malformed
from service.settings import read_settings
from service.store import evidence as store
from service.store.database import Transactions
from service.workflow import evidence
from service.workflow.signing import SIGNATURE, Verifier

BATCH = 200
"""Exposures of one transaction: each sees one moment, and none lasts long."""

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


class Subject(click.ParamType[UUID | Path]):
    """An exposure's id, or a file."""

    name = "id|file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID | Path:
        """Return it."""
        if isinstance(value, UUID | Path):
            return value
        try:
            return UUID(value)
        except ValueError:
            pass
        if not Path(value).is_file():
            self.fail(f"{value!r} is neither the id of an exposure nor a file.", param, ctx)
        return Path(value)


@click.group()
def audit() -> None:
    """What was decided, by whom, and whether anybody changed the record of it."""


@audit.command()
@click.argument("subjects", nargs=-1, type=Subject(), metavar="[ID|FILE]...")
@click.option(
    "--key",
    type=EXISTING,
    help="The public key (PEM) that files have to be signed with; yours, not theirs.",
)
def verify(subjects: Sequence[UUID | Path], key: Path | None) -> None:
    """Find changed, missing, forged and cut off events; exit 1 when there is anything.

    Without arguments every exposure of the database, else those of these ids; a FILE is evidence
    (GET /v1/exposures/{id}/evidence), and is verified without a database.
    """
    files = [subject for subject in subjects if isinstance(subject, Path)]
    ids = [subject for subject in subjects if isinstance(subject, UUID)]
    if key is not None and not files:
        raise click.UsageError("--key is about files, and none is named.")
    trusted = Verifier.of_pem(_text(key)) if key is not None else None
    are_good = [_is_good_file(file, trusted) for file in files]
    if ids or not files:
        are_good.append(_is_good_ledger(ids))
    raise SystemExit(0 if all(are_good) else 1)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except UnicodeDecodeError as error:
        raise Malformed(f"{file} is no PEM file.") from error


def _tell(subject: UUID | Path, fault: Fault) -> None:
    click.echo(_shown(f"{subject}  {fault.pointer}  {fault.detail}"))


def _shown(text: str) -> str:
    """Return what a terminal can be given: a file or a row may hold what it would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _is_good_file(file: Path, trusted: Verifier | None) -> bool:
    try:
        document = evidence.read_evidence(file.read_bytes())
        faults = evidence.audit_document(document, trusted)
    except Malformed as error:
        _tell(file, Fault("#", str(error)))
        return False
    for fault in faults:
        _tell(file, fault)
    if faults:
        click.echo(f"{file} does not hold: {_many(len(faults), 'fault')}.", err=True)
        return False
    exposure, key_id = document["exposure"], document[SIGNATURE]["key_id"]
    events = _many(len(document["events"]), "event")
    told = f"{file}: exposure {exposure['id']}, {events}, as they were signed with the key {key_id}."
    click.echo(_shown(told), err=True)
    if trusted is None:
        click.echo(
            "That key came with the file itself, so this shows that the file is whole, not who made it. "
            "Compare the key's id with one that you trust, or give that key: --key "
            "(GET /v1/evidence-keys serves it).",
            err=True,
        )
    return True


def _is_good_ledger(ids: Sequence[UUID]) -> bool:
    from service.wiring import admin_transactions

    transaction = admin_transactions(read_settings())
    total = len(ids)
    if not ids:
        with transaction() as session:
            total = store.count(session)
    done = events = faults = 0
    for batch in _batches(transaction, ids):
        with transaction() as session:
            findings, count = evidence.audit(session, batch)
        for finding in findings:
            _tell(finding.exposure_id, finding.fault)
        done, events, faults = done + len(batch), events + count, faults + len(findings)
        if done < total:
            click.echo(f"{done} of {total} exposures verified.", err=True)
    click.echo(
        f"{_many(done, 'exposure')} with {_many(events, 'event')} verified: {_many(faults, 'fault')}.",
        err=True,
    )
    return not faults


def _batches(transaction: Transactions, ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    """Yield these ids, or all that there are."""
    if ids:
        yield from (ids[first : first + BATCH] for first in range(0, len(ids), BATCH))
        return
    last = None
    while True:
        with transaction() as session:
            batch = store.ids_after(session, last, BATCH)
        if not batch:
            return
        yield batch
        last = batch[-1]


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
