"""How is an environment changed: deployed to, promoted to, rolled back, looked at?"""
