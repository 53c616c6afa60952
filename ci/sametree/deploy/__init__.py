"""How does a release get to where it is used, and back, without losing a request?"""
