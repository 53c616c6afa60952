"""How does a proven tree become a published version?"""
