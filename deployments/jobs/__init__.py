"""Jobs: what was asked for, in which order it is done, what became of it."""
