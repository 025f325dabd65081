"""What is trained: configuration, losses and evaluation of each task."""
