"""What the numbers on the page mean, each in a sentence or two; docs/evaluation.md has the rest."""

from __future__ import annotations

from fnmatch import fnmatchcase

# By patterns of flattened names, of which the first that fits counts. Columns are named here, too.
_OF_PATTERNS = {
    # Sets of recordings: the columns.
    "generated": "What the model made.",
    "real": "Training audio against held-out audio: nothing can be asked to come nearer.",
    "resynthesised": "Held-out audio through the spectrogram and back: no model on it does better.",
    "blurred": "The same out of focus: what a model does that predicts means.",
    "splice": "Cut from training audio: must be caught as copies.",
    "prompt_loop": "The end of a prompt over and over: must be caught as stuck.",
    "other_music": "The band that the project composes and plays itself.",
    "last_frame": "The last moment of a prompt, held: a drone.",
    "noise": "Noise, as far from music as sound can be.",
    # The short table.
    "FAD · KAD · MAD by *": (
        "How far this set lies from held-out real audio, as this network hears it: FAD and KAD are "
        "distances between clouds of embeddings, MAD (0 to 5.5) says how different the shares of "
        "their kinds are. Less is nearer; compare with real."
    ),
    "… by *": (
        "The same by another network, which nothing was tuned by: compare with real in this row. "
        "What one network alone likes is no progress."
    ),
    "Fine structure, *": (
        "Movement from frame to frame, edges of onsets, contrast between harmonics: what blur "
        "takes. 1 is as good as real; blurred shows what its loss costs."
    ),
    "Frame change, *": "Below 1: the sound moves less than real audio.",
    "Level, *": (
        "How far levels change from the first 15 s to the last (of less than 30 s, from the first "
        "half to the second), on average: compare with real."
    ),
    "Section changes *": (
        "Whether music goes somewhere and comes back. In 30 s there is little room for returns."
    ),
    # metrics/evaluate.json and reference.json.
    "*_low": "Lower end of the 95 % interval, over recordings.",
    "*_high": "Upper end of the 95 % interval, over recordings.",
    "*n_windows": "How many windows of 3 s are on either side of the distances.",
    "*fad": (
        "Fréchet audio distance to held-out real audio. Less is nearer; few windows lift it for "
        "all sets alike."
    ),
    "*kad": "Kernel audio distance to held-out real audio. Less is nearer.",
    "*mad": "MAUVE audio divergence, 0 to 5.5: minds what is missing as much as what is too much.",
    "tags": "How different the shares of tags (rock, guitar …) are from real audio's, 0 to 1.",
    "*.ratio": "How many times further from real audio than real audio is from itself; 1 is best.",
    "rhythm.distance": "Mean of the distances below: pulse, tempo, beat, onsets.",
    "tonality.distance": "Mean of the distances below: key and pitch classes.",
    "dynamics.distance": "Mean of the distances below: loudness, colour and how both move.",
    "fine.distance": "Mean of distances below: frame change, onsets, harmonics, fast modulation.",
    "rhythm.pulse_clarity_distance": "How clearly a pulse is heard: distance to real.",
    "rhythm.tempo_bpm_distance": "Tempo: distance to real.",
    "rhythm.beat_regularity_distance": "How evenly beats come: distance to real.",
    "rhythm.onsets_per_second_distance": "How many notes and strokes begin: distance to real.",
    "tonality.key_clarity_distance": "How clearly music is in one key: distance to real.",
    "tonality.chroma_entropy_distance": "How evenly pitch classes share energy: distance to real.",
    "dynamics.rms_dbfs_distance": "Level: distance to real.",
    "dynamics.crest_db_distance": "How far peaks stand above the level: distance to real.",
    "dynamics.spectral_flatness_distance": "Noise against tone: distance to real.",
    "dynamics.centroid_hz_distance": "Brightness: distance to real.",
    "dynamics.spectral_flux_distance": "How much the spectrum moves: distance to real.",
    "dynamics.high_band_db_distance": "Energy above 8 kHz: distance to real.",
    "fine.frame_change_db_distance": "Movement from frame to frame: distance to real.",
    "fine.onset_sharpness_distance": "How steeply onsets rise: distance to real.",
    "fine.harmonic_contrast_db_distance": "How far harmonics stand out: distance to real.",
    "fine.modulation_*": "How fast the loudness of low, mid or high bands moves: distance to real.",
    "novelty.embedding_similarity": "Mean similarity to the nearest training audio; 1 is the same.",
    "novelty.near_copies": "Share of passages of 2.5 s that are copies, or nearly, of training.",
    "novelty.correlation_*": (
        "Of passages of 2.5 s with the training passage most like them; above 0.9 is a near-copy."
    ),
    "repetition": "How much a recording repeats itself: 1 where every passage of it comes again.",
    "stuck_seconds": "The longest loop in any recording.",
    "longest_silence_seconds": "The longest silence in any recording.",
    "section_changes_per_minute": "How often harmony and sound change for long.",
    "returns_per_minute": "How often an earlier section comes back.",
    "chord_changes_per_minute": "How often the chord changes.",
    "frame_change_ratio": "Below 1: the sound moves less than held-out audio.",
    "level_change_db": (
        "How far the level changes from the first 15 s to the last, or half to half, on average."
    ),
    "diversity": "How much recordings differ from each other; 1: as held-out ones do.",
    "stability.fad_first": "FAD of the first 15 s.",
    "stability.fad_last": "FAD of the last 15 s.",
    "stability.fad_ratio": "Last 15 s to first: above 1, it gets worse as it goes on.",
    "stability.level_drift_db": "The largest drift of level from the first 15 s to the last.",
    "stability.flatness_ratio": "Last 15 s to first: above 1, it turns into noise.",
    "stability.flux_ratio": "Last 15 s to first: below 1, it comes to a standstill.",
    "truth.tempo": "Share of continuations that keep the prompt's tempo (4 %, or an octave).",
    "truth.key": "Keys by MIREX's score: 1 the very key, 0.5 a fifth away, less for relatives.",
    "truth.key_exact": "Share of continuations in the prompt's very key.",
    # metrics/train.json.
    "epochs": "How many times training saw all of the training audio.",
    "best_epoch": "The epoch of least validation loss: its weights are kept.",
    "loss": "On training audio, in that epoch.",
    "val_loss": "On audio that was not trained on; to be read against baseline_val_loss.",
    "baseline_val_loss.*": "Validation loss of a predictor that learns nothing: to be beaten.",
    "in_words": "The same as a sentence.",
    "n_parameters": "Numbers that were learnt.",
    # metrics/spectrogram.json.
    "n_clips": "Clips of the corpus.",
    "n_frames": "Frames of spectrogram, of all clips.",
    "n_bins": "Frequency bands of a frame.",
    "round_trip.spectral_convergence": "Error of audio → spectrogram → audio; 0 is perfect.",
    "round_trip.log_mel_error_db": "Mean difference of levels after that round trip.",
    # metrics/generate.json and explore.json.
    "round_trip.pan_error": "How far that round trip moves sounds to a side, 0 to 1.",
    "round_trip.width_error": "How much wider or narrower it makes them, 0 to 1.",
    "peak_dbfs": "The loudest sample; 0 is full scale.",
    "rms_dbfs": "Mean level; 0 is full scale.",
    "frame_change": "How much the model's own frames change; below its prompt's is blurred.",
    "prompt_frame_change": "The same of the prompt.",
    "side_to_mid_db": "Stereo width: level of the channels' difference above their mean.",
    "prompt_side_to_mid_db": "The same of the prompt.",
    "duration_seconds": "How long it is.",
    "zero_crossings_*": "How often the waveform changes sign: more of noise and high notes.",
    "centroid_hz": "Centre of the spectrum: brightness.",
    "rolloff_hz": "What most of the energy lies below.",
    "tempo_bpm": "Estimated tempo.",
    "strongest_pitch_class": "0 is C, 1 C♯ … 11 B.",
    "n_samples": "Samples of it.",
    "resampled_n_samples": "The same after resampling.",
}


def explanation(name: str) -> str:
    """What the row or column ``name`` of a table says; empty where nothing more is known."""
    return next((text for pattern, text in _OF_PATTERNS.items() if fnmatchcase(name, pattern)), "")
