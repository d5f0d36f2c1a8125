"""The providers' batch APIs in the simulator: one module for each form, over one store."""
