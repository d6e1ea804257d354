"""Recordings of ``dataset.source`` → clips in ``data/raw``, and why the others were left out.

One file a source under ``sources``; what they share is here. No later stage imports this folder.
"""
