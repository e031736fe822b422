"""What every app uses, and what knows no app."""
