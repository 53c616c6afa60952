"""What runs while somebody develops?"""
