"""What templates of all families have in common: the words they may use, and how a channel is described."""
