"""What does a WSGI server serve? `gunicorn maria.wsgi:app`."""

import sys

from maria import create_app
from maria.settings import SettingsError

try:
    app = create_app()
except SettingsError as error:
    error.show()
    # The code by which a worker tells gunicorn not to start it again and again.
    sys.exit(3)
