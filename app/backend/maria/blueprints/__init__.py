"""Which addresses answer?"""

from maria.blueprints.conversations import blueprint as conversations
from maria.blueprints.health import blueprint as health
from maria.blueprints.messages import blueprint as messages
from maria.blueprints.participants import blueprint as participants

ALL = (conversations, messages, participants, health)
