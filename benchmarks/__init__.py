"""What `scripts/bench` measures: dnet beside its peers, in one run."""
