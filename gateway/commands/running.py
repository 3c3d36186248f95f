"""Commands that run the gateway: everything at once, one process alone, or a sandbox business day.

What a sandbox is made of is loaded by what needs one: `up` stays for as long as the gateway runs, and does without.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from gateway import migrate, practice, processes, settings, supervisor
from gateway.collect.collectors import collectors_of
from gateway.commands.wired import say
from gateway.embedded import Running, services
from gateway.settings import Settings
from gateway.smpp_settings import account_of
from gateway.supervisor import Program
from gateway.wiring import Wiring, callers_of, carrier_keys, ensure_own_secrets


@click.command()
def up() -> None:
    """Run every process of the gateway on this machine, until Ctrl-C; in a sandbox's home, its bank and carrier too."""
    read = settings.load(os.environ)
    collectors_of(read)
    callers_of(read)  # a bank's missing or unusable key is told now, and not to the first call
    for carrier in read.sms.carriers.values():  # nor does one carrier's keep all others from sending
        if carrier.smpp is not None:
            account_of(read, carrier.name, carrier.smpp)
        else:
            carrier_keys(read, carrier)
    processes.check_port(read.host, read.port)
    with _alone(read), services(read, say) as started:
        ensure_own_secrets(read.home)
        migrate.upgrade(started.database_url)
        programs = programs_of(started, read)
        say(f"doisoat: http://{read.host}:{read.port}")
        sys.exit(supervisor.run(programs, watch=started.ensure_alive))


def programs_of(started: Running, read: Settings) -> list[Program]:
    """Return what runs on this machine: where home and database are a sandbox's, its bank and carrier too."""
    with processes.as_environment(started, read) as wiring:
        practises = practice.is_beside(wiring)
    if practises:
        from gateway import sandbox

        return _practising(started, sandbox.prepare(read, afresh=False))
    return processes.programs(processes.addresses(started, read), read)


def _practising(started: Running, used: Settings) -> list[Program]:
    from gateway import sandbox

    environment = {**processes.addresses(started, used), **sandbox.environment(used)}
    own = str(Path(sys.executable).parent / "doisoat")
    return [Program("sandbox", [own, "sandbox"], environment), *processes.programs(environment, used)]


@click.command()
@click.option("--bills", default=2000, show_default=True, type=click.IntRange(20, 200_000), help="Bills of the day.")
@click.option("--seed", default=48, show_default=True, help="Seed of everything that is drawn by chance.")
def run(bills: int, seed: int) -> None:
    """Run the gateway with a sandbox bank and carrier, live one business day, and stay for a look."""
    from gateway import sandbox, sandbox_day

    with _sandbox(afresh=False) as (used, started, programs):
        stop, outcome = threading.Event(), list[Exception]()

        def live() -> None:
            try:
                _await_web(used)
                with processes.as_environment(started, used) as wiring:
                    if sandbox.open_database(wiring):
                        sandbox_day.live(wiring, bills=bills, seed=seed, say=say)
                    _welcome(used)
            except Exception as error:  # told below, in the main thread, once everything has stopped
                if not stop.is_set():  # after a Ctrl-C the day ends in the middle, which is no failure
                    outcome.append(error)
                stop.set()

        threading.Thread(target=live, name="sandbox day", daemon=True).start()
        code = supervisor.run(programs, watch=started.ensure_alive, stop_event=stop)
        if outcome:
            raise click.ClickException(str(outcome[0]))
        sys.exit(code)


@click.command()
@click.option("--once", is_flag=True, required=True, help="Live the day, print its figures, stop.")
@click.option("--bills", default=2000, show_default=True, type=click.IntRange(20, 200_000), help="Bills of the day.")
@click.option("--seed", default=48, show_default=True, help="Seed of everything that is drawn by chance.")
def demo(once: bool, bills: int, seed: int) -> None:  # noqa: ARG001 - the flag keeps the word for what it does
    """Live a sandbox business day through all parts; the last line of stdout is one JSON object."""
    from gateway import sandbox_day

    _live_once(lambda wiring: sandbox_day.live(wiring, bills=bills, seed=seed, say=say))


def _live_once(live_through: Callable[[Wiring], dict[str, object]], *, month: bool = False) -> None:
    """Live through something in an empty sandbox with all its processes, print its figures, and stop."""
    from gateway import sandbox

    with _sandbox(afresh=True, month=month) as (used, started, programs):
        stop, figures, failed = threading.Event(), dict[str, object](), list[Exception]()

        def live() -> None:
            try:
                _await_web(used)
                with processes.as_environment(started, used) as wiring:
                    sandbox.open_database(wiring)
                    figures.update(live_through(wiring))
            except Exception as error:  # told below, in the main thread, once everything has stopped
                if not stop.is_set():  # after a Ctrl-C the day ends in the middle, which is no failure
                    failed.append(error)
            finally:
                stop.set()

        threading.Thread(target=live, name="sandbox day", daemon=True).start()
        code = supervisor.run(programs, watch=started.ensure_alive, stop_event=stop, out=sys.stderr.buffer)
        if failed:
            raise click.ClickException(str(failed[0]))
    if not figures:
        sys.exit(code or 1)
    click.echo(json.dumps(figures, ensure_ascii=False))


@click.command()
@click.option(
    "--mandates", default=500, show_default=True, type=click.IntRange(20, 50_000), help="Customers, a bill each."
)
@click.option("--seed", default=7, show_default=True, help="Seed of everything that is drawn by chance.")
def month(mandates: int, seed: int) -> None:
    """Live a sandbox month of auto-debits at two banks; the last line of stdout is one JSON object."""
    from gateway import sandbox_month
    from gateway.sandbox_hands import ProcessHands

    def live(wiring: Wiring) -> dict[str, object]:
        return sandbox_month.live(wiring, ProcessHands(wiring), mandates=mandates, seed=seed, say=say)

    _live_once(live, month=True)


@contextmanager
def _sandbox(*, afresh: bool, month: bool = False) -> Iterator[tuple[Settings, Running, list[Program]]]:
    from gateway import sandbox

    given = settings.load(os.environ)
    if afresh and "DOISOAT_PORT" not in os.environ:
        given = replace(given, port=sandbox.free_port())
    processes.check_port(given.host, given.port)
    with _alone(given), services(given, say) as started:
        sandbox.check_database(started.database_url, empty_it=afresh)
        used = sandbox.prepare(given, afresh=afresh, month=month)
        migrate.upgrade(started.database_url)
        yield used, started, _practising(started, used)


@contextmanager
def _alone(read: Settings) -> Iterator[None]:
    """Hold the gateway's own lock, so that two gateways don't share one home."""
    with processes.only_one(read.home):
        yield


def _await_web(used: Settings) -> None:
    processes.await_port(used.host, used.port, seconds=60)


def _welcome(used: Settings) -> None:
    from gateway import staff_desk

    first = staff_desk.SANDBOX_STAFF[0]
    click.echo(f"\n  doisoat is ready: http://{used.host}:{used.port}/admin/")
    click.echo(f"  sandbox sign-in:  {first.username} / {staff_desk.SANDBOX_PASSWORD}")
    click.echo("  Ctrl-C stops everything.\n")
