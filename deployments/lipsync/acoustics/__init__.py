"""What sounds like what: features, a model of English phones, and the best way through a graph of them."""
