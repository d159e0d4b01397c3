"""Maps between the states of a contrast's two sides, which vectors can store for scales that push by them."""

from trimtab.vectors.maps.transport_maps import NeuronMap, fit_neuron_map, with_transport

__all__ = ["NeuronMap", "fit_neuron_map", "with_transport"]
