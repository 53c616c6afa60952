"""How does gunicorn serve it? `gunicorn -c python:maria.gunicorn_conf maria.wsgi:app`.

There is no access log here: the application writes one line of JSON a request, which
has its id (see maria.logs). Address and workers can be set as usual, by PORT and
WEB_CONCURRENCY or on the command line.
"""

import gc
import os

workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
# Not more than MARIA_POOL_SIZE, or requests wait for one another's connections.
threads = 4
# Load once, before the workers are forked: wrong settings end the server at once.
# The engine connects when first used, so no connection is shared between workers.
preload_app = True


def pre_fork(server: object, worker: object) -> None:
    """Leave what is loaded out of every later collection: the workers share its pages
    with their parent, and end without a look at each object (0.3 s of a processor).

    (docs.python.org/3/library/gc.html#gc.freeze)
    """
    gc.freeze()


timeout = 30
graceful_timeout = 30
# Longer than a router in front keeps its side, so that it is the one to close.
keepalive = 75
# Its path is one a user: the two servers of a blue-green pair would fight for it.
control_socket_disable = True

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "maria.logs.JsonFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {
            "level": "INFO",
            "handlers": ["stderr"],
            "propagate": False,
        },
        "gunicorn.access": {"handlers": [], "propagate": False},
    },
}
