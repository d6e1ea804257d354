"""Frames → (context, following) windows, the batches of them, and ``data/pairs``.

Called after the stage. ``tfrecord`` alone imports TensorFlow, and only where it is asked for.
"""
