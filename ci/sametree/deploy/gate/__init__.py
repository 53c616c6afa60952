"""Is a new colour as good as the old one? Judged while traffic moves to it."""
