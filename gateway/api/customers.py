"""Customers as lists are narrowed by them: by their code, which is looked up once."""

from sqlalchemy import ScalarSelect, select

from reconciliation.customers import Customer


def of_code(code: str) -> ScalarSelect[int]:
    """Return the question for the number of the customer with this code."""
    return select(Customer.id).where(Customer.code == code).scalar_subquery()
