"""`doisoat states`: the page on lifecycles, drawn anew."""

import click

from reconciliation import lifecycle_page


@click.command()
def states() -> None:
    """Print docs/states.md: a diagram of each lifecycle."""
    click.echo(lifecycle_page.page(), nl=False)
