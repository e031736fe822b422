"""Code that every app uses. It imports from no app."""
