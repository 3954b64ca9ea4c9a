"""What a step minimises and how it moves: losses, optimisers, what is trained."""
