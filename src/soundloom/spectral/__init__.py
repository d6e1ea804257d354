"""Samples ⇄ frames ``(n_frames, n_bins)`` in [0, 1], and the phases that frames lack.

``codec`` joins the steps of ``spectrogram`` and ``phase``; ``encoding`` does so for many clips;
``files`` is ``data/spectrogram``. What models do with frames is not known here.
"""
