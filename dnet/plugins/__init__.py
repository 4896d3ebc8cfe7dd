"""What container runtimes call: their documents in, theirs out; neither Click nor rich."""
