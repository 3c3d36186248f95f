"""The JSON API for the utility's own systems."""
