"""The built-in rock band: it composes songs, and plays them with synthesised instruments.

Random numbers in, songs with their tempo, key and chords out. It knows no files and no stages.
"""
