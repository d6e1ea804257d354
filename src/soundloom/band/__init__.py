"""A rock band in a box: deterministic songs, composed and then played, with their truth known.

The modules read in the order the music takes: :mod:`theory` (keys, chords, scales) and
:mod:`lineup` (six bands, each with a sound of its own) → :mod:`score` (a song as pure data) →
:mod:`compose` (how one is written) → :mod:`synthesis` (modes, filters, waveshaping) →
:mod:`instruments` (notes to samples) → :mod:`mix` (parts to one mono track).

Everything follows from ``(seed, track_index)``; there is no global state and nothing is stored.
"""
