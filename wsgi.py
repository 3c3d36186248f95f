"""The entrance for WSGI servers: `app` is the gateway, wired from the environment."""

import gc

from gateway.web import create_app
from gateway.wiring import from_environment

app = create_app(from_environment(web=True))

# What is loaded by now lives as long as the process: the collector need not walk it again and again under load.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
