"""Results of the DAG, kept by content key: level 1 in the object store, level 2 in files."""
