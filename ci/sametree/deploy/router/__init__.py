"""Where do an environment's requests go, and how are they moved elsewhere?"""

from sametree.deploy.router.router import Router

__all__ = ["Router"]
