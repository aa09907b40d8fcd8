"""Text to speech: a sentence in; sound with the times of its phonemes and words out."""
