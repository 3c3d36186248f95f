"""`doisoat roles`: the page on roles, drawn anew."""

import click


@click.command()
def roles() -> None:
    """Print docs/roles.md: which role may open which route."""
    from flask import Flask

    from gateway import admin
    from gateway.admin import role_table

    app = Flask("roles", static_folder=None)
    app.secret_key = "for the forms' tokens, of which none is made here"  # noqa: S105 - no secret
    admin.register(app)
    click.echo(role_table.markdown(app), nl=False)
