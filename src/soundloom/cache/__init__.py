"""What was made of a recording, kept between runs by what it was made of.

A convenience and never a result: with it or without it, DVC's outputs have the same bytes. It may
be deleted at any time. Nothing here knows what it keeps.
"""
