"""Which clips there are, where each comes from, and which part of the split it is in.

No audio is read here, only tables of it. How recordings become clips is :mod:`soundloom.ingest`'s.
"""
