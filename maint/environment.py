"""Which systems there are, where they are, and which secrets open them."""
