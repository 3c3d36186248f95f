"""The web, put together: one application for machines, one for people, on one port.

Callbacks, receipts and the API know no sessions, languages or forms, and pay for none; the finance pages and the
customer portal have them all. They share nothing but the wiring.
"""

import gc
import os
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.middleware.proxy_fix import ProxyFix

from banks.signatures import match_token
from gateway import admin, api, bell, carrier_metrics, link_metrics, portal, receipts, request_session, webhooks
from gateway.api import bills
from gateway.collect import routes as collect
from gateway.intake import Intake
from gateway.refusals import Refusals
from gateway.secrets import optional_secret, secret
from gateway.webhooks import Callbacks
from gateway.wiring import Wiring

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication


_PEOPLE = ("/admin", "/assets", "/mandate/")


def create_app(wiring: Wiring) -> "WSGIApplication":
    """Return the whole web as one WSGI application; it opens no connection before its first request."""
    machines, people = create_machines(wiring), create_people(wiring)
    callbacks: Callbacks = machines.extensions["callbacks"]

    def application(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if path.startswith(webhooks.PATH):
            return callbacks(environ, start_response)  # what `machines` would call, without a context for it
        return (people if path == "/" or path.startswith(_PEOPLE) else machines)(environ, start_response)

    return _behind_proxies(application, wiring.settings.trusted_proxies)


def create_machines(wiring: Wiring) -> Flask:
    """Return the application for banks, carriers and the utility's own systems."""
    app = Flask(__name__, static_folder=None)
    app.extensions["doisoat"] = wiring
    app.config["MAX_CONTENT_LENGTH"] = bills.MAX_BYTES + 1  # so much more shows the view that it is too much
    request_session.install(app)
    bell.prepare()
    intake = Intake(wiring.database_url, wiring.sealer, lambda: bell.ring(wiring.valkey, "callbacks"))
    webhooks.install(app, wiring, intake, Refusals(wiring.engine, wiring.sealer))
    collect.install(app, wiring)
    app.register_blueprint(receipts.blueprint)
    api.install(app)
    _health(app, wiring)
    return app


def create_people(wiring: Wiring) -> Flask:
    """Return the application of the finance pages and of the customer portal."""
    app = Flask("gateway.admin", static_folder=None)
    app.extensions["doisoat"] = wiring
    app.secret_key = secret(wiring.settings, "session_key")[0]
    app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
    request_session.install(app)
    admin.register(app)
    portal.register(app)
    return app


def spare_what_is_loaded() -> None:
    """Let the garbage collector walk only what comes from now on: what is loaded lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 50)  # a page makes thousands of objects, and nearly all of them end with it


def _behind_proxies(application: "WSGIApplication", count: int) -> "WSGIApplication":
    """Believe exactly as many proxies as there are: one more would let anybody choose the address we see."""
    return ProxyFix(application, x_for=count, x_proto=count, x_host=count) if count else application


def _health(app: Flask, wiring: Wiring) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        try:
            with Session(wiring.engine) as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return Response("the database does not answer\n", 503, mimetype="text/plain")
        try:
            wiring.valkey.ping()
        except RedisError:
            # Callbacks are kept without the doorbell, and the sweep finds them: late is not unready.
            return Response("ready; the doorbell does not answer\n", mimetype="text/plain")
        return Response("ready\n", mimetype="text/plain")

    @app.get("/metrics")
    def metrics() -> Response:
        if not _may_measure(wiring):
            return Response("from this machine, or with the metrics token\n", 403, mimetype="text/plain")
        return Response(
            _figures() + link_metrics.written(wiring) + carrier_metrics.written(wiring),
            content_type=CONTENT_TYPE_LATEST,
        )


def _figures() -> bytes:
    """Return the figures of all web processes, where they keep them together, else of this one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the package leaves this one untyped
    return generate_latest(registry)


def _may_measure(wiring: Wiring) -> bool:
    """Tell whether this request may see the metrics: with the secret `metrics_token`, else from this machine alone."""
    keys = optional_secret(wiring.settings, "metrics_token")
    if keys:
        return match_token(request.headers.get("Authorization", "").removeprefix("Bearer "), keys) is not None
    return ip_address(request.remote_addr or "::").is_loopback
