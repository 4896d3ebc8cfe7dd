"""A file a group of commands: words in, a Request out."""
