"""The entrance for WSGI servers: `app` is the gateway, wired from the environment."""

import gc

gc.disable()  # nothing is garbage while all this is loaded

from gateway.web import create_app, spare_what_is_loaded  # noqa: E402 - see above
from gateway.wiring import from_environment  # noqa: E402 - as above

app = create_app(from_environment(web=True))
spare_what_is_loaded()
