"""The floor that every room stands on: values, errors, visemes. Standard library and numpy only."""
