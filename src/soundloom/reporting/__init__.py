"""The listening page: everything that a variant made, in one HTML file.

It shows what other stages measured, and measures nothing.
"""
