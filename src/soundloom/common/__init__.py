"""What everybody may import: errors, file formats, paths, how params.yaml is read, Keras's start.

Nothing here knows of audio or of models, and nothing here imports another folder. Every stage
depends on all of it: what only some need belongs to them.
"""
