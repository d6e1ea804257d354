"""Arrays → numbers, no files: one module a family of metrics."""
