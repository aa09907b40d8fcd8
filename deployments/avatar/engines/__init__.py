"""Ways of making a portrait talk: one file, or folder, each."""
