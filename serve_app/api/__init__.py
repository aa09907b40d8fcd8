"""HTTP: one router per noun; bodies in schemas.py, errors in errors.py."""
