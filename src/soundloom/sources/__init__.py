"""Where recordings come from: one file a source, each yielding :class:`soundloom.corpus.Recording`."""
