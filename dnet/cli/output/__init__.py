"""What is printed: documents, tables and text."""
