"""What a model can do, under named protocols, and the thresholds that follow from it."""
