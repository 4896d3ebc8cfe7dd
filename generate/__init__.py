"""Files that follow from the product itself: written here, committed, and held by tests."""
