"""Chips to a trained network: networks, distances, losses and heads on keras.ops, on any backend of Keras."""
