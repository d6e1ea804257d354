"""Soundloom: recordings of a genre in, new music in that genre out.

The folders, in the order in which data passes through them; imports run towards ``common`` only:

    commands, stages → experiments, reporting → ingest … evaluation → corpus, audio → common

Conventions that hold everywhere:

* Samples are ``(n_samples,)`` float32, mono, in [-1, 1].
* Frames are ``(n_frames, n_bins)`` in [0, 1]: time first, always.
* Names carry their unit: ``sample_rate_hz``, ``hop_samples``, ``clip_seconds``, ``range_db``.
* Core modules turn arrays into arrays. Files are touched by the stages and commands, by ``ingest``
  and ``experiments``, by ``figures`` and by modules called ``files``, and by no other.
* A folder's ``config.py`` is the section of params.yaml that its code reads.
"""
