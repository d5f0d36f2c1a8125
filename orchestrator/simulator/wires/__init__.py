"""The providers' wire formats, one module each, all with the functions of `base.Wire`."""
