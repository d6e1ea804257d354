"""How near a set of recordings comes to held-out real audio, in numbers that can be trusted.

``features`` are extracted once of each recording, ``comparison`` compares sets of them,
``ground_truth`` checks tempo and key, ``controls`` have a quality that is known; ``metrics`` are
arrays → numbers. No model that is judged is imported.
"""
