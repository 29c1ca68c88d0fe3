"""One function per thing a person can do. They take a Session, never commit, and raise domain errors."""
