"""What do test results mean?"""
