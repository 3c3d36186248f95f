"""The tables of banks whose exports are known: one bank's export = one module here, found by itself."""

from importlib import import_module
from pkgutil import iter_modules

from banks.statements.layout import Layout

LAYOUTS: tuple[Layout, ...] = tuple(
    import_module(f"{__name__}.{found.name}").LAYOUT
    for found in sorted(iter_modules(__path__), key=lambda one: one.name)
)
