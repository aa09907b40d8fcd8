"""RVC: retrieval-based voice conversion."""
