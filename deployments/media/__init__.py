"""What the Renderer does to finished sentences: one timeline, eyes, captions, audio files. Ray-free."""
