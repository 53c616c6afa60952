"""How are the CI workflows written, checked and rehearsed? They hold no logic."""
