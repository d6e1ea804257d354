"""Gradient descent: batches in, the trained model and its history out.

Also how windows are varied, and how training is shown live. What a model is made of, and what its
loss is, belongs to :mod:`soundloom.models`.
"""
