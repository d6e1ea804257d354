"""Audio files ⇄ samples ``(n_samples,)`` float32 in [-1, 1], and how loud samples are.

``files`` decodes and encodes; the rest is arithmetic on arrays. What a corpus is, or a spectrogram,
is not known here.
"""
