"""Models of frames."""
