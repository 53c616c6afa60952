"""How is a change of the world made in steps: one at a time, by one, told and undone?"""
