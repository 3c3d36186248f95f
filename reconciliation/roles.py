"""Roles: what people may be, and which of them may do what; the settings and every page ask here."""

ROLES = ("accountant", "chief_accountant", "liaison", "auditor", "care", "office_manager", "administrator")
ADMINISTRATOR = "administrator"
OF_ONE_OFFICE = frozenset({"office_manager"})
"""Roles that are of one office: without it they see nothing."""
BOOKKEEPERS = frozenset({"accountant", "chief_accountant"})
"""Who may say what money is of."""
CASEWORKERS = BOOKKEEPERS | {"liaison"}
"""Who may be given a question, ask the bank about it and let it rest."""
KEEPERS_OF_THE_CALENDAR = frozenset({"chief_accountant", "administrator"})
"""Who may say on which days banks book."""
BANK_LIAISONS = frozenset({"liaison", "chief_accountant"})
"""Who may say what a bank has taken on or refused."""
KEEPERS_OF_MANDATES = BANK_LIAISONS | {"care"}
"""Who may pass on what a customer asks of a mandate."""
CHECKERS_OF_DEBITS = frozenset({"chief_accountant"})
"""Who may let debits leave that somebody else has chosen."""
HOLDERS_OF_BILLS = BOOKKEEPERS | {"care"}
"""Who may keep a bill from being debited; those who let it be debited again are fewer."""

KEEPERS_OF_CARRIERS = BANK_LIAISONS | {"administrator"}
"""Who may let an ill SMS carrier be tried again."""

TRIERS_OF_SAMPLES = BANK_LIAISONS | {"administrator"}
"""Who may try a bank's callback or file against its profile: a sample may name customers."""

KEEPERS_OF_MESSAGES = HOLDERS_OF_BILLS | {"liaison"}
"""Who may say whether a message arrived, and have one sent again."""

KEEPERS_OF_WISHES = frozenset({"care", "administrator"})
"""Who may note what a customer wishes of SMS."""

KEEPERS_OF_INTERFACES = frozenset({"administrator"})
"""Who may let other systems ask us, and have them told."""
