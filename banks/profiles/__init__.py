"""One bank or wallet = one module here, found by its name; each binds PROFILE."""
