"""Kinds of models beside plain checkpoints: adapters, quantized weights, weights in several places, multimodal ones."""
