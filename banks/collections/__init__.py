"""Debits we ask banks to collect: the file that asks (pain.008) and the report on what became of it (pain.002)."""
