"""What did a run show, for people?"""
