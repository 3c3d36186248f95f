"""Ways to a carrier: one module is one carrier or protocol."""
