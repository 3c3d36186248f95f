"""Debits we ask banks to collect, and debits we call back: the files that ask, and what the banks answer."""
