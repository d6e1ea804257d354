"""Soundloom: recordings of a genre in, new music in that genre out.

Conventions that hold everywhere:

* Samples are ``(n_samples,)`` float32, mono, in [-1, 1].
* Frames are ``(n_frames, n_bins)`` in [0, 1]: time first, always.
* Names carry their unit: ``sample_rate_hz``, ``hop_samples``, ``clip_seconds``, ``range_db``.
* Core modules turn arrays into arrays. Files are touched by :mod:`soundloom.audio`,
  :mod:`soundloom.store` and the stages alone.
"""
