"""How do run records reach other clones, without a server, and whose are believed?"""
