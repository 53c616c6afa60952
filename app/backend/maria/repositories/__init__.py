"""How are rows found and kept? No HTTP in here, and no commits."""

from maria.repositories.conversations import Conversations
from maria.repositories.messages import Messages
from maria.repositories.participants import EmailTaken, Participants

__all__ = ["Conversations", "EmailTaken", "Messages", "Participants"]
