"""The entrance for WSGI servers: `app` is the gateway, wired from the environment."""

import gc

gc.disable()  # nothing is garbage while all this is loaded

from gateway.web import create_app  # noqa: E402 - see above
from gateway.wiring import from_environment  # noqa: E402 - as above

app = create_app(from_environment(web=True))

# What is loaded by now lives as long as the process: the collector need not walk it again and again under load.
gc.collect()
gc.freeze()
gc.enable()
gc.set_threshold(20_000, 20, 50)
