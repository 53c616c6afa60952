"""How do run records reach others, without a server, and whose are believed?"""
