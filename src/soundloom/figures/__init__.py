"""Pictures of sound and of numbers: arrays in, PNG files out, the same bytes for the same arrays.

Drawing only: what is measured, and where a picture goes, is its caller's business.
"""
