"""Configuration as a transaction: versions, what a change touches, its trial, and the way back."""
