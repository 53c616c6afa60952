"""What is built once for a tree, and runs everywhere: a release, known by its digest."""
