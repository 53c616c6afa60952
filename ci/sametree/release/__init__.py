"""What is a release made of: a version, a changelog, a tag, and files in their places?"""
